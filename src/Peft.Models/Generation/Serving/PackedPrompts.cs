using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Processes prompts of different lengths together without padding: each token is a row of the batch, and the attention of a token covers its own prompt.</summary>
internal static class PackedPrompts
{
    /// <summary>True if the kernels support the model: on the CPU in float32.</summary>
    public static bool Supports(CausalLM model)
        => TorchRuntime.Cpu is { UnpaddedBatches: true, Attention: true } && model.Device.type == DeviceType.CPU && model.InputEmbeddings.Storage.ComputeType == ScalarType.Float32
           && model.Spec is { RelativePositions: null, Alibi: null } && model.Backbone.Layers is { Count: > 0 } layers && layers.All(layer => layer.HasStep);

    /// <summary>The hidden states of each prompt's last token, <c>[prompts, 1, hidden]</c>.</summary>
    /// <param name="model">The model. Its adapters are assigned to the tokens, one after another.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="cache">An empty cache, which gets the keys and values of the prompts, left-padded.</param>
    public static Tensor LastStates(CausalLM model, IReadOnlyList<IReadOnlyList<int>> prompts, KeyValueCache cache)
    {
        using var scope = NewDisposeScope();
        int[] lengths = [.. prompts.Select(prompt => prompt.Count)];
        var hidden = model.HiddenStatesOf(new ModelInput
        {
            InputIds = Column(prompts.SelectMany(prompt => prompt)),
            PositionIds = Column(lengths.SelectMany(length => Enumerable.Range(0, length))),
            PromptLengths = lengths,
            Cache = cache,
        });
        var lasts = new long[lengths.Length];
        long end = 0;
        for (var i = 0; i < lasts.Length; i++) lasts[i] = (end += lengths[i]) - 1;
        return hidden.index_select(0, tensor(lasts)).MoveToOuterDisposeScope();
    }

    // [values, 1]
    private static Tensor Column(IEnumerable<int> values) => tensor(values.Select(value => (long)value).ToArray()).unsqueeze(1);
}
