private import Foundation

func sine(_ x: Double) -> Double { sin(x) }
func cosine(_ x: Double) -> Double { cos(x) }
func arcsine(_ x: Double) -> Double { asin(x) }
func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }
