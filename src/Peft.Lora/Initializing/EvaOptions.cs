namespace Peft;

/// <summary>Settings of <see cref="Eva"/>.</summary>
public sealed record EvaOptions
{
    /// <summary>Maximum rank of a module as a multiple of the adapter's rank. 1 keeps all ranks equal.</summary>
    public double Rho { get; init; } = 2;

    /// <summary>Cosine similarity above which a component counts as converged. Sampling stops once all components have converged.</summary>
    public double Tau { get; init; } = 0.99;

    /// <summary>True to divide each component by the square root of its singular value, which helps with images.</summary>
    public bool Whiten { get; init; }

    /// <summary>True to multiply alpha by the change of a module's rank, so that the gradients of all modules have the same scale.</summary>
    public bool AdjustScaling { get; init; } = true;
}
