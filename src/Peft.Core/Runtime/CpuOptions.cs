namespace Peft;

/// <summary>
/// The techniques that the library uses on the CPU in place of torch's operations. All are on by default. Each changes results by rounding at most, except that <see cref="DropoutMasks"/> draws other masks than torch, so that a benchmark can show what it brings:
/// <c>TorchRuntime.Cpu = new() { SkinnyProducts = false };</c>
/// </summary>
/// <remarks>A technique applies where its documentation says, in float32 unless noted.</remarks>
public sealed record CpuOptions
{
    /// <summary>Products of few rows, as in decode steps and prompts, without packing the matrix: up to 128 (512 without <see cref="MatrixProducts"/>), or 32 if it is stored by columns. Without gradients.</summary>
    public bool SkinnyProducts { get; init; } = true;

    /// <summary>Products with small matrices that stay in the processor's caches: of one row without gradients, and in training those of a weight with its low-rank update.</summary>
    public bool SmallProducts { get; init; } = true;

    /// <summary>Products of at least 8 rows with a matrix, in training and in long prompts: with the whole AVX-512 registers, of which torch's BLAS uses half on processors that are not Intel's. Gradients too.</summary>
    public bool MatrixProducts { get; init; } = true;

    /// <summary>Low-rank updates of large matrices, added to the product with the frozen weight as one autograd node, and without gradients to a few rows in one call.</summary>
    public bool LowRankProducts { get; init; } = true;

    /// <summary>Attention with rotary embedding in one kernel: of whole sequences, packed or padded, forward and backward, and of one new position over the KV cache. <see cref="LayerNodes"/> requires it.</summary>
    public bool Attention { get; init; } = true;

    /// <summary>RMSNorm and SwiGLU in one pass over the memory; in inference mode, LayerNorm and activation functions likewise. <see cref="LayerNodes"/> of models with RMSNorm require it.</summary>
    public bool NormsAndGates { get; init; } = true;

    /// <summary>In training, the parts of a layer as autograd nodes that compute the outputs of norms and gates again instead of keeping them. Without gradients and with more than 128 positions, the same steps without a graph.</summary>
    public bool LayerNodes { get; init; } = true;

    /// <summary>Dropout whose mask is computed again in the backward pass, from a seed, instead of kept. <see cref="LayerNodes"/> with dropout require it.</summary>
    public bool DropoutMasks { get; init; } = true;

    /// <summary>In training, a layer's queries, keys, values and attended states are computed again in the backward pass instead of kept, if the former are more than 2¹⁷ values. Requires <see cref="LayerNodes"/>.</summary>
    public bool RecomputedProjections { get; init; } = true;

    /// <summary>A layer's decode step as five jobs, also with quantized weights; and the prompts of a continuous batch likewise.</summary>
    public bool DecodeSteps { get; init; } = true;

    /// <summary>Threads that share the jobs of a decode step or a training step and look for the next one for 100 µs before they sleep.</summary>
    public bool WorkTeam { get; init; } = true;

    /// <summary>Parts of a batch on a thread each: in training, and in the generation with small models. Of any dtype.</summary>
    public bool ParallelParts { get; init; } = true;

    /// <summary>Only the tokens of padded batches are computed: in classifiers, embeddings and the losses of causal models, of any dtype; and in the prompts of a continuous batch.</summary>
    public bool UnpaddedBatches { get; init; } = true;

    /// <summary>Prompts that several rows of a batch have in common, as the pairs of DPO, are computed once. Requires <see cref="UnpaddedBatches"/>.</summary>
    public bool SharedPrompts { get; init; } = true;

    /// <summary>Log-probabilities of tokens and their derivatives: with a frozen head in float32 a block of the vocabulary at a time, so that the logits are never in memory; else in one pass over the logits, written over them.</summary>
    public bool TokenLosses { get; init; } = true;

    /// <summary>AdamW of all parameters in one pass over the memory.</summary>
    public bool AdamW { get; init; } = true;

    /// <summary>Tensors that kernels compute are in memory that the process keeps for the next ones, without holes between them and without page faults in each step. It serves results of 32 KiB and more.</summary>
    public bool CachingAllocator { get; init; } = true;

    /// <summary>Freed memory is returned to the system after every 32nd training step if that took a second or more; with <see cref="TrainingOptions.MaxMemory"/>, after each such step, and the memory of gradients after every step. Short-lived objects of .NET are collected between training steps when they take 8 MiB.</summary>
    public bool MemoryReturn { get; init; } = true;
}
