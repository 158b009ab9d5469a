namespace Peft;

/// <summary>Options of a method whose file has the field <c>fan_in_fan_out</c>: true where a linear module stores its weight as <c>[in, out]</c>. It is filled in from the targets.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class FanInFanOutAttribute : Attribute;
