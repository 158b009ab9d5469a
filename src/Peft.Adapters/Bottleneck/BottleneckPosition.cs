namespace Peft.Adapters;

/// <summary>
/// One position in the layers of an architecture, as module names relative to the layer: the projection whose output is adapted, a module whose
/// input is the residual stream to which this output is added, and the norm applied to their sum, if the architecture has one.
/// </summary>
internal sealed record BottleneckPosition(BottleneckPlace Place, string Output, string Residual, string? Norm, string HubName);
