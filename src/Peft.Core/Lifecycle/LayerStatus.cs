namespace Peft;

/// <summary>Status of one adapter at one module.</summary>
/// <param name="Path">Path of the module; empty for a soft prompt.</param>
/// <param name="Adapter">Name of the adapter.</param>
/// <param name="Method">Method of the adapter, as <c>peft_type</c>.</param>
/// <param name="IsActive">True if the adapter is active.</param>
/// <param name="IsMerged">True if the adapter is merged into the module's weight.</param>
/// <param name="IsTrainable">True if the adapter's tensors require gradients.</param>
/// <param name="Reached">True once a forward pass has reached the module.</param>
/// <param name="Parameters">Number of the adapter's parameters at the module.</param>
public sealed record LayerStatus(string Path, string Adapter, string Method, bool IsActive, bool IsMerged, bool IsTrainable, bool Reached, long Parameters);
