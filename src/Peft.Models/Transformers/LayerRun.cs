namespace Peft.Models;

/// <summary>Which run of a layer in a training step this is.</summary>
internal enum LayerRun
{
    /// <summary>The only one.</summary>
    Only,

    /// <summary>The first of a checkpointed layer, without gradients: it must round as the second.</summary>
    First,

    /// <summary>The second of a checkpointed layer, in the backward pass: its gradients follow at once, and nothing reads its output.</summary>
    Second,
}
