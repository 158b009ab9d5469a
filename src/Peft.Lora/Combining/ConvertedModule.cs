namespace Peft;

/// <summary>A module whose update was converted to LoRA.</summary>
/// <param name="Path">Path of the module.</param>
/// <param name="Rank">Rank of its LoRA.</param>
/// <param name="Error">The part of the update that is lost: ‖ΔW − B·A‖/‖ΔW‖ (Frobenius norms), 0 for a zero update.</param>
public sealed record ConvertedModule(string Path, int Rank, double Error);
