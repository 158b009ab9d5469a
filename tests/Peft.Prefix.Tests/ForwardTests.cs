using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Prefix.Tests;

/// <summary>What virtual tokens do to a forward pass, each against the model without adapters.</summary>
public sealed class ForwardTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly CausalLM model = Tiny.Llama();

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void A_prompt_is_embeddings_before_the_input()
    {
        using var _ = no_grad();
        var ids = Tiny.Ids(2, 7);
        using var peft = model.ApplyPromptTuning(5);
        var actual = model.forward(ids);
        var prompt = peft.Find("default").Tensors.Single().Tensor.Value.clone();
        using var off = peft.WithoutAdapters();
        var embeddings = cat([prompt.unsqueeze(0).expand(2, -1, -1), model.InputEmbeddings.call(ids)], 1);
        actual.shape.ShouldBe([2, 12, 64]);
        ShouldBeClose(actual, model.forward(new ModelInput { Embeddings = embeddings }));
    }

    [Fact]
    public void A_prompt_that_starts_as_a_text_is_the_text()
    {
        using var _ = no_grad();
        var (ids, text) = (Tiny.Ids(2, 6), "Say so.");
        var read = tensor(Tiny.Tokenizer.Encode(text).Select(id => (long)id).ToArray()).unsqueeze(0).expand(2, -1);
        var expected = model.forward(cat([read, ids], 1));
        using var peft = model.ApplyPromptTuning(text, Tiny.Tokenizer);
        ShouldBeClose(model.forward(ids), expected);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_prefix_or_cartridge_that_starts_as_a_text_is_as_if_the_model_had_read_it(bool cartridge)
    {
        using var _ = no_grad();
        var (ids, text) = (Tiny.Ids(2, 6), "Say so.");
        var read = tensor(Tiny.Tokenizer.Encode(text).Select(id => (long)id).ToArray()).unsqueeze(0).expand(2, -1);
        var expected = model.forward(cat([read, ids], 1)).narrow(1, read.shape[1], 6);
        using var peft = cartridge ? model.ApplyCartridge(text, Tiny.Tokenizer) : model.ApplyPrefixTuning(text, Tiny.Tokenizer);
        ShouldBeClose(model.forward(ids), expected);
    }

    [Fact]
    public void A_closed_gate_changes_nothing_and_an_open_one_does()
    {
        using var _ = no_grad();
        var ids = Tiny.Ids(2, 6);
        var before = model.forward(ids);
        using var peft = model.ApplyAdaptionPrompt(length: 4, layers: 2);
        ShouldBeClose(model.forward(ids), before);
        peft.Find("default").Tensors.Single(each => each.Key.EndsWith("layers.2.self_attn.adaption_gate", StringComparison.Ordinal)).Tensor.Value.fill_(0.5);
        model.forward(ids).allclose(before, 1e-3, 1e-3).ShouldBeFalse();
    }

    [Fact]
    public void Padding_on_the_left_does_not_change_a_row()
    {
        using var _ = no_grad();
        var ids = Tiny.Ids(1, 5);
        var mask = cat([zeros(1, 3, ScalarType.Int64), ones(1, 5, ScalarType.Int64)], 1);
        foreach (var options in new AdapterOptions[] { new PromptTuningOptions { VirtualTokens = 4 }, new PrefixTuningOptions { VirtualTokens = 4 } })
        {
            using var peft = model.ApplyAdapter(options);
            var alone = model.ForwardLast(new ModelInput { InputIds = ids });
            var padded = model.ForwardLast(new ModelInput { InputIds = cat([zeros(1, 3, ScalarType.Int64), ids], 1), AttentionMask = mask });
            ShouldBeClose(padded, alone);
        }
    }

    [Fact]
    public void Active_prompts_stand_one_after_another_beside_adapters_of_modules()
    {
        using var _ = no_grad();
        var ids = Tiny.Ids(2, 6);
        using var peft = model.ApplyAdapter(new PromptTuningOptions { VirtualTokens = 3 }, "first");
        peft.Add("second", new PromptTuningOptions { VirtualTokens = 2 });
        peft.Add("prefix", new PrefixTuningOptions { VirtualTokens = 4 });
        peft.Add("lora", new LoraOptions { Rank = 2, Initialization = LoraInitialization.Gaussian });
        peft.Activate("first", "second");
        var both = model.forward(ids);
        var tokens = cat([Only("first"), Only("second")], 0).clone();
        peft.Activate("first", "second", "prefix", "lora");
        model.forward(ids).allclose(both, 1e-3, 1e-3).ShouldBeFalse();
        peft.Activate();
        ShouldBeClose(both, model.forward(new ModelInput { Embeddings = cat([tokens.unsqueeze(0).expand(2, -1, -1), model.InputEmbeddings.call(ids)], 1) }));

        Tensor Only(string name) => peft.Find(name).Tensors.Single().Tensor.Value;
    }

    [Fact]
    public void Rows_of_a_batch_take_prompts_of_their_own()
    {
        using var _ = no_grad();
        var ids = Tiny.Ids(3, 6);
        using var peft = model.ApplyAdapter(new PrefixTuningOptions { VirtualTokens = 3 }, "a");
        peft.Add("b", new PrefixTuningOptions { VirtualTokens = 3 });
        Tensor mixed;
        using (peft.Rows("a", "b", "a")) mixed = model.forward(ids);
        foreach (var (row, name) in new[] { "a", "b", "a" }.Select((name, row) => (row, name)))
        {
            peft.Activate(name);
            ShouldBeClose(mixed.narrow(0, row, 1), model.forward(ids.narrow(0, row, 1)));
        }
        using (peft.Rows("a", "b")) Should.Throw<PeftException>(() => model.forward(ids)).Message.ShouldContain("2 rows");
        peft.Activate("a");
        ShouldBeClose(mixed.narrow(0, 0, 1), model.forward(ids.narrow(0, 0, 1)));
    }

    [Fact]
    public void A_classifier_on_a_decoder_reads_the_last_real_token_behind_the_virtual_ones()
    {
        using var _ = no_grad();
        using var classifier = SequenceClassifier.FromConfig(model.Config.With("num_labels", 3), seed: 3);
        using var peft = classifier.ApplyPromptTuning(4);
        var ids = Tiny.Ids(1, 5);
        var padded = cat([ids, zeros(1, 2, ScalarType.Int64)], 1);
        var mask = cat([ones(1, 5, ScalarType.Int64), zeros(1, 2, ScalarType.Int64)], 1);
        ShouldBeClose(classifier.forward(new ModelInput { InputIds = padded, AttentionMask = mask }), classifier.forward(new ModelInput { InputIds = ids }));
        peft.Find("default").Tensors.Select(each => each.Key).ShouldContain("base_model.score.weight");
    }

    [Theory]
    [InlineData("PROMPT_TUNING")]
    [InlineData("PREFIX_TUNING")]
    [InlineData("ADAPTION_PROMPT")]
    public void Generation_with_the_cache_gives_what_whole_passes_give(string method)
    {
        using var peft = model.ApplyAdapter(method switch
        {
            "PROMPT_TUNING" => new PromptTuningOptions { VirtualTokens = 4 },
            "PREFIX_TUNING" => new PrefixTuningOptions { VirtualTokens = 4 },
            _ => new AdaptionPromptOptions { Length = 4, Layers = 2 },
        });
        using (no_grad())
            foreach (var (key, tensor) in peft.Find("default").Tensors.Where(each => each.Key.EndsWith("gate", StringComparison.Ordinal))) tensor.Value.fill_(0.7);
        int[][] prompts = [[5, 9, 33, 12], [8, 40]];
        var options = new GenerationOptions { MaxNewTokens = 8, MinNewTokens = 8 };
        var together = model.Generate(prompts, options);
        foreach (var (prompt, row) in prompts.Select((prompt, row) => (prompt, row)))
        {
            List<int> expected = [.. prompt];
            using var _ = no_grad();
            for (var i = 0; i < 8; i++) expected.Add((int)WithoutEnd(model.forward(tensor(expected.Select(id => (long)id).ToArray()).unsqueeze(0))[0, -1]).argmax().item<long>());
            together[row].ShouldBe(expected[prompt.Length..]);
        }

        static Tensor WithoutEnd(Tensor logits)
        {
            logits[2] = float.NegativeInfinity;   // MinNewTokens forbids the end of the text
            return logits;
        }
    }

    [Fact]
    public void A_multitask_prompt_asks_for_the_tasks_and_uses_them()
    {
        using var _ = no_grad();
        var ids = Tiny.Ids(2, 6);
        using var peft = model.ApplyMultitaskPrompt(tasks: 3, virtualTokens: 4, rank: 2);
        Should.Throw<PeftException>(() => model.forward(ids)).Message.ShouldContain("Tasks");
        Tensor mixed, first;
        using (peft.Tasks(0, 2)) mixed = model.forward(ids);
        using (peft.Tasks(0)) first = model.forward(ids);
        ShouldBeClose(mixed.narrow(0, 0, 1), first.narrow(0, 0, 1));
        mixed.narrow(0, 1, 1).allclose(first.narrow(0, 1, 1), 1e-4, 1e-4).ShouldBeFalse();
        using (peft.Tasks(3)) Should.Throw<PeftException>(() => model.forward(ids)).Message.ShouldContain("numbered from 0");
        using (peft.Tasks(1, 1, 1)) Should.Throw<PeftException>(() => model.forward(ids)).Message.ShouldContain("3 rows");
    }

    [Fact]
    public void Taken_off_or_switched_off_the_model_is_as_before()
    {
        using var _ = no_grad();
        var ids = Tiny.Ids(2, 6);
        var before = model.forward(ids);
        using (var peft = model.ApplyPrefixTuning(3))
        {
            using (peft.WithoutAdapters()) ShouldEqual(model.forward(ids), before);
            peft.Add("second", new PromptTuningOptions { VirtualTokens = 2 });
            peft.Delete("default");
            ShouldEqual(model.forward(ids), before);
            peft.Activate("second");
            model.forward(ids).shape[1].ShouldBe(8);
        }
        ShouldEqual(model.forward(ids), before);
        PeftModel.Of(model).ShouldBeNull();
    }

    private static void ShouldEqual(Tensor actual, Tensor expected) => actual.equal(expected).all().item<bool>().ShouldBeTrue();

    // Float32 sums in another order.
    private static void ShouldBeClose(Tensor actual, Tensor expected) => actual.Difference(expected).ShouldBeLessThan(2e-4);
}
