public import Adapters
public import ArgumentParser
public import Generation

extension Precision: ExpressibleByArgument {}
extension NoiseSource: ExpressibleByArgument {}
extension StandardArchitecture: ExpressibleByArgument {}
extension ProjectionScope: ExpressibleByArgument {}
extension SliderTarget.Network: ExpressibleByArgument {}
extension SliderTarget.Method: ExpressibleByArgument {}
extension AdapterStack.Application: ExpressibleByArgument {}
