namespace Peft;

/// <summary>The types of modules that can be adapted.</summary>
[Flags]
public enum ModuleKinds
{
    /// <summary>No module.</summary>
    None = 0,

    /// <summary>Linear modules: a product with a weight matrix.</summary>
    Linear = 1,

    /// <summary>Embeddings: a lookup table.</summary>
    Embedding = 2,

    /// <summary>Convolutions with a single group.</summary>
    Convolution = 4,

    /// <summary>Grouped convolutions.</summary>
    GroupedConvolution = 8,

    /// <summary>Norms: a weight vector.</summary>
    Norm = 16,

    /// <summary>All modules with a weight matrix.</summary>
    Matrix = Linear | Embedding | Convolution | GroupedConvolution,

    /// <summary>All modules.</summary>
    All = Matrix | Norm,
}
