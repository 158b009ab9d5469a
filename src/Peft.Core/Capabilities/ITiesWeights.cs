namespace Peft;

/// <summary>Options that can keep fully trained modules tied to the modules that share their weights (<c>ensure_weight_tying</c>).</summary>
public interface ITiesWeights
{
    /// <summary>True if tied weights stay tied.</summary>
    bool TiesWeights { get; }
}
