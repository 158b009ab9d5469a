using Peft.Checkpoints;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>What prefix tuning and prompt tuning give a model, put in by hand: encoders and T5 must answer as under Hugging Face PEFT.</summary>
public class VirtualTokenTests
{
    [Theory]
    [InlineData("prefix-bert-seqcls")]
    [InlineData("prefix-bert-tokcls")]
    [InlineData("prefix-t5")]
    public void Keys_and_values_before_the_sequence(string id) => Check(id, (model, prompt, input) =>
    {
        var spec = model.Spec;
        var entries = prompt.view(-1, 2 * spec.LayerCount, spec.HeadCount, spec.HeadSize).permute(1, 2, 0, 3);   // [2 · layers, heads, tokens, size]
        // Of T5, whose layers have four entries each for Hugging Face PEFT, the first two are used, and they begin anew at each layer.
        Tensor Entry(int index) => entries[index % (2 * spec.LayerCount)].unsqueeze(0).expand(input.InputIds!.shape[0], -1, -1, -1);
        var stride = model is Seq2SeqLM ? 4 : 2;
        return input with { Prefix = [.. Enumerable.Range(0, spec.LayerCount).Select(layer => new KeyValuePrefix(Entry(stride * layer), Entry(stride * layer + 1)))] };
    });

    [Theory]
    [InlineData("prompt-bert-seqcls")]
    [InlineData("prompt-distilbert-seqcls")]
    [InlineData("prompt-t5")]
    public void Embeddings_before_the_sequence(string id) => Check(id, (model, prompt, input) =>
    {
        var count = model is Seq2SeqLM ? prompt.shape[0] / 2 : prompt.shape[0];   // the second half would be the decoder's, and is not used
        var rows = input.InputIds!.shape[0];
        return input with
        {
            InputIds = null,
            Embeddings = cat([prompt.narrow(0, 0, count).unsqueeze(0).expand(rows, -1, -1), model.InputEmbeddings.call(input.InputIds)], 1),
            AttentionMask = cat([ones(rows, count, ScalarType.Int64), input.AttentionMask!], 1),
        };
    });

    private static void Check(string id, Func<PretrainedModel, Tensor, ModelInput, ModelInput> add)
    {
        var info = Oracle.Case(id);
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var expected = new Expected(info.Folder);
        using var model = AdaptedCase.LoadBase(info.Base);
        using var adapter = SafetensorsFile.Open(Path.Combine(info.Adapter, AdapterCheckpoint.FileName));
        foreach (var (name, parameter) in model.named_parameters())
            if (adapter.Tensors.ContainsKey($"base_model.{name}")) parameter.copy_(adapter.Read($"base_model.{name}"));   // the trained classifier
        var input = new ModelInput { InputIds = expected.Read("input_ids"), AttentionMask = expected.Read("attention_mask") };
        if (model is Seq2SeqLM writer) input = input with { DecoderInputIds = writer.ShiftRight(expected.Read("labels")) };
        expected.ShouldEqual("adapted_logits", model.forward(add(model, adapter.Read("prompt_embeddings"), input)));
    }
}
