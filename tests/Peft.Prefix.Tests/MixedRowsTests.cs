using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Prefix.Tests;

/// <summary>Rows of one batch with different numbers of virtual tokens, or none: each computes what it would alone.</summary>
public sealed class MixedRowsTests : IDisposable
{
    private static readonly string[] Names = ["prefix", "lora", PeftModel.Base, "prompt", "network", "long", "inside"];

    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> Decoders => [.. Tiny.Decoders.Keys];

    public void Dispose() => scope.Dispose();

    // Everything that a row may have: keys and values, embeddings, tokens inside attention, changed weights, or nothing.
    private static PeftModel Adapt(PretrainedModel model)
    {
        var peft = new PeftModel(model);
        manual_seed(5);
        peft.Add("prefix", new PrefixTuningOptions { VirtualTokens = 3 });
        peft.Add("lora", new LoraOptions { Rank = 2, Initialization = LoraInitialization.Gaussian });
        peft.Add("prompt", new PromptTuningOptions { VirtualTokens = 4 });
        peft.Add("network", new PTuningOptions { VirtualTokens = 2, EncoderSize = 8 });
        peft.Add("long", new CartridgeOptions { VirtualTokens = 5 });
        peft.Add("inside", new AdaptionPromptOptions { Length = 3, Layers = 1 });
        return Shaken(peft);
    }

    // As if all had been trained.
    private static PeftModel Shaken(PeftModel peft)
    {
        using var _ = no_grad();
        foreach (var tensor in peft.Adapters.Values.SelectMany(adapter => adapter.Tensors).Where(each => each.Tensor.IsTrainable).Select(each => each.Tensor.Value))
            tensor.add_(randn_like(tensor).mul(0.2));
        return peft;
    }

    private static CausalLM Decoder(string type) => CausalLM.FromConfig(Tiny.Decoders[type], seed: 7);

    private static void Alone(PeftModel peft, string name)
    {
        if (name == PeftModel.Base) peft.Activate();
        else peft.Activate(name);
    }

    [Theory, MemberData(nameof(Decoders))]
    public void Logits_are_those_of_each_row_alone(string type)
    {
        using var _ = no_grad();
        using var model = Decoder(type);
        using var peft = Adapt(model);
        var ids = Tiny.Ids(Names.Length, 6);
        Tensor mixed;
        using (peft.Rows(Names)) mixed = model.forward(ids);
        mixed.shape.ShouldBe([Names.Length, 4 + 6, 64]);
        foreach (var (name, row) in Names.Select((name, row) => (name, row)))
        {
            Alone(peft, name);
            var alone = model.forward(ids.narrow(0, row, 1));
            ShouldBeClose(mixed[row].narrow(0, 10 - alone.shape[1], alone.shape[1]), alone[0], name);
        }
    }

    [Theory, MemberData(nameof(Decoders))]
    public void Padding_on_the_left_changes_no_row(string type)
    {
        using var _ = no_grad();
        using var model = Decoder(type);
        using var peft = Adapt(model);
        var lengths = Names.Select((_, row) => 3 + row % 4).ToArray();
        var rows = lengths.Select((length, row) => Tiny.Ids(1, length, seed: row)).ToArray();
        var ids = cat([.. rows.Select(row => cat([zeros(1, 6 - row.shape[1], ScalarType.Int64), row], 1))], 0);
        var mask = cat([.. rows.Select(row => cat([zeros(1, 6 - row.shape[1], ScalarType.Int64), ones_like(row)], 1))], 0);
        Tensor mixed;
        using (peft.Rows(Names)) mixed = model.forward(new ModelInput { InputIds = ids, AttentionMask = mask });
        foreach (var (name, row) in Names.Select((name, row) => (name, row)))
        {
            Alone(peft, name);
            var alone = model.forward(rows[row]);
            ShouldBeClose(mixed[row].narrow(0, 10 - lengths[row], lengths[row]), alone[0].narrow(0, alone.shape[1] - lengths[row], lengths[row]), name);
        }
    }

    [Theory, MemberData(nameof(Decoders))]
    public void Generated_texts_are_those_of_each_row_alone(string type)
    {
        using var model = Decoder(type);
        using var peft = Adapt(model);
        var prompts = Names.Select((_, row) => (IReadOnlyList<int>)[.. Enumerable.Range(5 + row, 2 + row % 3)]).ToArray();
        foreach (var options in new GenerationOptions[]
        {
            new() { MaxNewTokens = 7, MinNewTokens = 7 },
            new() { MaxNewTokens = 7, MinNewTokens = 7, NumBeams = 3, NumReturnSequences = 2 },
        })
        {
            IReadOnlyList<IReadOnlyList<int>> together;
            using (peft.Rows(Names)) together = model.Generate(prompts, options);
            var copies = options.NumReturnSequences ?? 1;
            foreach (var (name, row) in Names.Select((name, row) => (name, row)))
            {
                Alone(peft, name);
                var alone = model.Generate([prompts[row]], options);
                for (var i = 0; i < copies; i++) together[row * copies + i].ShouldBe(alone[i], $"{name}, {options.NumBeams ?? 1} beams");
            }
        }
    }

    [Fact]
    public void A_drawn_text_is_drawn_from_the_logits_of_each_row_alone()
    {
        using var model = Decoder("llama");
        using var peft = Adapt(model);
        var prompts = Names.Select((_, row) => (IReadOnlyList<int>)[.. Enumerable.Range(5 + row, 2 + row % 3)]).ToArray();
        var options = new GenerationOptions { MaxNewTokens = 6, MinNewTokens = 6, DoSample = true, TopK = 2, Temperature = 3, Seed = 12, NumReturnSequences = 2 };
        IReadOnlyList<IReadOnlyList<int>> together;
        using (peft.Rows(Names)) together = model.Generate(prompts, options);
        together.Select(text => string.Join(",", text)).Distinct().Count().ShouldBe(together.Count);
        using var _ = no_grad();
        for (var i = 0; i < together.Count; i++)
        {
            Alone(peft, Names[i / 2]);
            List<int> text = [.. prompts[i / 2]];
            foreach (var token in together[i])
            {
                var logits = model.forward(tensor(text.Select(id => (long)id).ToArray()).unsqueeze(0))[0, -1].clone();
                logits[2] = float.NegativeInfinity;   // MinNewTokens forbids the end of the text
                logits.topk(2).indexes.data<long>().ToArray().ShouldContain(token);
                text.Add(token);
            }
        }
    }

    [Theory, MemberData(nameof(Decoders))]
    public void Gradients_are_those_of_the_rows_alone(string type)
    {
        using var model = Decoder(type);
        using var peft = Adapt(model);
        string[] adapters = [.. Names.Where(name => name != PeftModel.Base)];
        var (ids, labels) = (Tiny.Ids(Names.Length, 6), Tiny.Ids(Names.Length, 6, seed: 1));
        labels[0, 5] = Batch.IgnoredLabel;
        peft.Activate(adapters);
        using (peft.Rows(Names)) model.Loss(new Batch { InputIds = ids, Labels = labels }).backward();
        var mixed = peft.Trainables.ToDictionary(tensor => tensor.Name, tensor => tensor.Value.grad!.clone());
        foreach (var tensor in peft.Trainables) tensor.Value.grad!.zero_();

        // A virtual embedding before the input predicts its first token, too.
        var counts = Names.Select((name, row) => (name is "prompt" or "network" ? 6 : 5) - (row == 0 ? 1 : 0)).ToArray();
        foreach (var (name, row) in Names.Select((name, row) => (name, row)).Where(each => each.name != PeftModel.Base))
        {
            Alone(peft, name);
            model.Loss(new Batch { InputIds = ids.narrow(0, row, 1), Labels = labels.narrow(0, row, 1) }).mul((double)counts[row] / counts.Sum()).backward();
        }
        peft.Activate(adapters);
        foreach (var tensor in peft.Trainables) ShouldBeClose(mixed[tensor.Name], tensor.Value.grad!, tensor.Name);
        mixed.Values.ShouldAllBe(gradient => gradient.abs().max().item<float>() > 1e-6);
    }

    [Fact]
    public void Labels_and_weights_of_virtual_tokens_count_in_their_own_row()
    {
        using var _ = no_grad();
        using var model = Decoder("llama");
        using var peft = new PeftModel(model);
        var examples = CptOptions.FromExamples([("one", "1"), ("two", "2")], Tiny.Tokenizer) with { LossWeights = CptLossWeights.Decay, DecayFactor = 0.5 };
        peft.Add("examples", examples).Add("prompt", new PromptTuningOptions { VirtualTokens = 4 });
        string[] names = ["examples", "prompt", PeftModel.Base];
        var (ids, labels) = (Tiny.Ids(3, 6), Tiny.Ids(3, 6, seed: 1));
        float mixed;
        using (peft.Rows(names)) mixed = model.Loss(new Batch { InputIds = ids, Labels = labels }).item<float>();
        var answers = examples.TokenTypes!.Count(type => type > 0 && type % 4 == 0);
        double[] counts = [answers + 6, 6, 5];
        var sum = 0.0;
        for (var row = 0; row < 3; row++)
        {
            Alone(peft, names[row]);
            sum += counts[row] * model.Loss(new Batch { InputIds = ids.narrow(0, row, 1), Labels = labels.narrow(0, row, 1) }).item<float>();
        }
        mixed.ShouldBe((float)(sum / counts.Sum()), 1e-4f);
    }

    [Fact]
    public void An_adapter_that_waits_for_its_tokens_sees_them_beside_rows_of_embeddings()
    {
        using var _ = no_grad();
        using var model = Decoder("llama");
        using var peft = new PeftModel(model);
        peft.Add("prompt", new PromptTuningOptions { VirtualTokens = 4 });
        peft.Add("waits", new LoraOptions { Rank = 2, Initialization = LoraInitialization.Gaussian, AloraInvocationTokens = [9, 8] });
        Shaken(peft);
        var ids = Tiny.Ids(2, 7);
        ids[1, 2] = 9;
        ids[1, 3] = 8;
        Tensor mixed;
        using (peft.Rows("prompt", "waits")) mixed = model.forward(ids);
        peft.Activate();
        var plain = model.forward(ids.narrow(0, 1, 1))[0];
        peft.Activate("waits");
        var alone = model.forward(ids.narrow(0, 1, 1))[0];
        ShouldBeClose(mixed[1].narrow(0, 4, 7), alone, "waits");
        alone.narrow(0, 2, 5).allclose(plain.narrow(0, 2, 5), 1e-3, 1e-3).ShouldBeFalse();
    }

    [Fact]
    public void Tasks_and_rows_go_together()
    {
        using var _ = no_grad();
        using var model = Decoder("llama");
        using var peft = new PeftModel(model);
        peft.Add("tasks", new MultitaskPromptOptions { VirtualTokens = 3, TaskCount = 3 }).Add("prefix", new PrefixTuningOptions { VirtualTokens = 2 });
        var ids = Tiny.Ids(3, 6);
        Tensor mixed;
        using (peft.Tasks(2, 0, 0))
        using (peft.Rows("tasks", "prefix", PeftModel.Base)) mixed = model.forward(ids);
        foreach (var (name, row) in new[] { "tasks", "prefix", PeftModel.Base }.Select((name, row) => (name, row)))
        {
            Alone(peft, name);
            using var task = peft.Tasks(2);
            var alone = model.forward(ids.narrow(0, row, 1));
            ShouldBeClose(mixed[row].narrow(0, 9 - alone.shape[1], alone.shape[1]), alone[0], name);
        }
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("roberta")]
    public void An_encoder_classifies_each_row_as_alone(string type)
    {
        using var _ = no_grad();
        using var model = SequenceClassifier.FromConfig(Tiny.Encoders[type], seed: 3);
        using var peft = new PeftModel(model);
        manual_seed(5);
        peft.Add("prompt", new PromptTuningOptions { VirtualTokens = 4 }).Add("short", new PromptTuningOptions { VirtualTokens = 2 });
        peft.Add("prefix", new PrefixTuningOptions { VirtualTokens = 3 }).Add("lora", new LoraOptions { Rank = 2, Initialization = LoraInitialization.Gaussian });
        Shaken(peft);
        string[] names = ["prompt", "short", "prefix", "lora", PeftModel.Base];
        var ids = Tiny.Ids(names.Length, 6);
        ids[2, 5] = ids[4, 5] = 0;
        var mask = ids.ne(0).to_type(ScalarType.Int64);
        Tensor mixed;
        using (peft.Rows(names)) mixed = model.forward(new ModelInput { InputIds = ids, AttentionMask = mask });
        foreach (var (name, row) in names.Select((name, row) => (name, row)))
        {
            Alone(peft, name);
            ShouldBeClose(mixed[row], model.forward(new ModelInput { InputIds = ids.narrow(0, row, 1), AttentionMask = mask.narrow(0, row, 1) })[0], name);
        }
    }

    [Fact]
    public void A_model_that_reads_and_writes_does_so_row_by_row()
    {
        using var model = Seq2SeqLM.FromConfig(Tiny.T5, seed: 7);
        using var peft = new PeftModel(model);
        manual_seed(5);
        peft.Add("prompt", new PromptTuningOptions { VirtualTokens = 4 }).Add("prefix", new PrefixTuningOptions { VirtualTokens = 3 });
        peft.Add("both", new MultitaskPromptOptions { VirtualTokens = 2 }).Add("lora", new LoraOptions { Rank = 2, Initialization = LoraInitialization.Gaussian });
        Shaken(peft);
        using (peft.Tasks(0))
        using (peft.Rows("prefix", "both"))
            Should.Throw<PeftException>(() => model.forward(new ModelInput { InputIds = Tiny.Ids(2, 6), DecoderInputIds = Tiny.Ids(2, 3) })).Message.ShouldContain("in separate batches");
        foreach (var kind in new[] { "prefix", "both" }) RowsAreAsAlone(model, peft, ["prompt", kind, "lora", PeftModel.Base]);
    }

    private static void RowsAreAsAlone(Seq2SeqLM model, PeftModel peft, string[] names)
    {
        var (ids, written) = (Tiny.Ids(names.Length, 6), Tiny.Ids(names.Length, 3, seed: 1));
        int[][] prompts = [[5, 6, 7], [8, 9], [10, 11, 12], [16, 17]];
        var options = new GenerationOptions { MaxNewTokens = 5, MinNewTokens = 5 };
        using var task = peft.Tasks(0);
        Tensor mixed;
        IReadOnlyList<IReadOnlyList<int>> texts;
        using (peft.Rows(names))
        {
            using var _ = no_grad();
            mixed = model.forward(new ModelInput { InputIds = ids, DecoderInputIds = written });
            texts = model.Generate(prompts, options);
        }
        foreach (var (name, row) in names.Select((name, row) => (name, row)))
        {
            using var _ = no_grad();
            Alone(peft, name);
            var alone = model.forward(new ModelInput { InputIds = ids.narrow(0, row, 1), DecoderInputIds = written.narrow(0, row, 1) });
            ShouldBeClose(mixed[row].narrow(0, mixed.shape[1] - alone.shape[1], alone.shape[1]), alone[0], name);
            texts[row].ShouldBe(model.Generate(prompts[row], options), name);
        }
    }

    // Float32 sums in another order.
    private static void ShouldBeClose(Tensor actual, Tensor expected, string row) => actual.Difference(expected).ShouldBeLessThan(2e-4 * (1 + expected.Largest()), row);
}
