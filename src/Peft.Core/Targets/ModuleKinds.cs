namespace Peft;

/// <summary>Kinds of module that adapters can enter.</summary>
[Flags]
public enum ModuleKinds
{
    /// <summary>No module.</summary>
    None = 0,

    /// <summary>Linear modules: a product with a weight matrix.</summary>
    Linear = 1,

    /// <summary>Embeddings: a table that ids look up.</summary>
    Embedding = 2,

    /// <summary>Convolutions in one group.</summary>
    Convolution = 4,

    /// <summary>Convolutions in several groups.</summary>
    GroupedConvolution = 8,

    /// <summary>Norms: a weight vector.</summary>
    Norm = 16,

    /// <summary>All that have a weight matrix.</summary>
    Matrix = Linear | Embedding | Convolution | GroupedConvolution,

    /// <summary>All of them.</summary>
    All = Matrix | Norm,
}
