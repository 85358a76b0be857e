public import ArgumentParser
public import Generation

extension Precision: ExpressibleByArgument {}
extension StandardArchitecture: ExpressibleByArgument {}
