namespace Peft.Models;

/// <summary>A head that outputs scores from hidden states: an optional dense layer with activation and norm, then the projection to scores.</summary>
public sealed record HeadSpec
{
    /// <summary>Path of the projection to scores.</summary>
    public required string Output { get; init; }

    /// <summary>True if the projection has a bias.</summary>
    public bool OutputBias { get; init; } = true;

    /// <summary>Key of the projection's bias in checkpoints; null for the path followed by <c>.bias</c>.</summary>
    public string? OutputBiasKey { get; init; }

    /// <summary>Path of the dense layer; null for none.</summary>
    public string? Dense { get; init; }

    /// <summary>True if the dense layer has a bias.</summary>
    public bool DenseBias { get; init; } = true;

    /// <summary>True if the layer norm has a bias.</summary>
    public bool NormBias { get; init; } = true;

    /// <summary>Outputs of the dense layer; null for the hidden size.</summary>
    public int? DenseSize { get; init; }

    /// <summary>The dense layer's activation; null for none.</summary>
    public Activation? Activation { get; init; }

    /// <summary>Path of the layer norm after the activation; null for none.</summary>
    public string? Norm { get; init; }

    /// <summary>Dropout probability before the dense layer.</summary>
    public double InputDropout { get; init; }

    /// <summary>Dropout probability before the projection.</summary>
    public double Dropout { get; init; }
}
