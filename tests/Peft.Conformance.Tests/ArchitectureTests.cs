using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>What must hold for each architecture besides the numbers of transformers: the ways to compute the same give the same.</summary>
public class ArchitectureTests
{
    private static IEnumerable<string> Writers => Oracle.Bases.Where(name => new ModelRegistry().Describe(ModelConfig.FromFolder(Oracle.Base(name))).Kind == TransformerKind.Decoder && name.Split('-')[^1] is not ("seqcls" or "tokcls" or "qa"));

    public static TheoryData<string> Decoders => [.. Writers];

    // Where rotary frequencies depend on the length of the text, what was cached before has others.
    public static TheoryData<string> OfAnyLength => [.. Writers.Where(name => File.ReadAllText(Path.Combine(Oracle.Base(name), "config.json")) is var config && !config.Contains("\"dynamic\"", StringComparison.Ordinal) && !config.Contains("\"longrope\"", StringComparison.Ordinal))];

    private static readonly int[][] Prompts = [[7, 12, 33], [9, 41, 18, 22, 50, 5, 31], [14]];

    public static TheoryData<string> WithDefaults => [.. Oracle.Cases.Where(each => each.Json.TryGetProperty("peft_default_targets", out _)).Select(each => each.Id)];

    [Theory, MemberData(nameof(WithDefaults))]
    public void Modules_that_are_adapted_by_default_are_those_of_Hugging_Face_PEFT(string id)
    {
        var @case = Oracle.Case(id);
        using var model = AdaptedCase.LoadBase(@case.Base);
        var expected = @case.Json.GetProperty("peft_default_targets");
        if (expected.ValueKind == System.Text.Json.JsonValueKind.Null)
        {
            Should.Throw<TargetNotFoundException>(() => model.ApplyLora()).Message.ShouldContain("has no default targets");
            return;
        }
        using var peft = model.ApplyLora();
        ((LoraOptions)peft.Find(PeftModel.DefaultName).Options).TargetModules!.Names.ShouldBe(expected.EnumerateArray().Select(name => name.GetString()!), ignoreOrder: true);
    }

    private static Tensor Ids(IEnumerable<int> ids) => tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0);

    // Left-padded rows with a cache, and one row at a time over the whole sequence, without one.
    [Theory, MemberData(nameof(OfAnyLength))]
    public void Prompts_in_a_batch_are_continued_as_each_alone(string name)
    {
        using var model = CausalLM.FromPretrained(Oracle.Base(name));
        var batch = model.Generate((IReadOnlyList<IReadOnlyList<int>>)Prompts, new GenerationOptions { MaxNewTokens = 6, MinNewTokens = 6 });
        for (var row = 0; row < Prompts.Length; row++)
        {
            var text = Prompts[row].ToList();
            for (var step = 0; step < 6; step++)
            {
                using var scope = NewDisposeScope();
                using var _ = no_grad();
                var logits = model.forward(Ids(text))[0, -1].clone();
                foreach (var end in model.Config.Ids("eos_token_id").Where(id => id < logits.shape[0])) logits[end] = float.NegativeInfinity;
                var best = logits.topk(2);
                if (best.values[0].item<float>() - best.values[1].item<float>() < 1e-3f) break;   // too close to tell
                var token = (int)logits.argmax().item<long>();
                batch[row][step].ShouldBe(token, $"row {row}, token {step}");
                text.Add(token);
            }
        }
    }

    [Theory, MemberData(nameof(Decoders))]
    public void Packed_sequences_have_the_loss_and_gradients_of_rows_and_so_have_checkpointed_layers(string name)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(Oracle.Base(name));
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = "all-linear" });
        peft.Shake(0.1);
        var rows = Prompts[..2];
        var width = rows.Max(row => row.Length);
        var padded = tensor(rows.SelectMany(row => row.Concat(Enumerable.Repeat(0, width - row.Length))).Select(id => (long)id).ToArray(), [2, width]);
        var mask = tensor(rows.SelectMany(row => row.Select(_ => 1L).Concat(Enumerable.Repeat(0L, width - row.Length))).ToArray(), [2, width]);
        var plain = Run(new ModelInput { InputIds = padded, AttentionMask = mask }, padded.masked_fill(mask.eq(0), -100));
        model.CheckpointActivations = true;
        Same(Run(new ModelInput { InputIds = padded, AttentionMask = mask }, padded.masked_fill(mask.eq(0), -100)), plain);
        model.CheckpointActivations = false;
        if (new ModelRegistry().Describe(model.Config).LearnedPositionOffset is not null) return;   // positions of packed rows are given by data sets
        var all = Ids(rows.SelectMany(row => row));
        var positions = Ids(rows.SelectMany(row => Enumerable.Range(0, row.Length)));
        Same(Run(new ModelInput { InputIds = all, PositionIds = positions, PackedLengths = [.. rows.Select(row => row.Length)] }, all), plain);

        (float Loss, List<Tensor> Gradients) Run(ModelInput input, Tensor labels)
        {
            foreach (var tensor in peft.Trainables) tensor.Value.grad = null;
            var loss = model.Loss(input, labels);
            loss.backward();
            return (loss.item<float>(), [.. peft.Trainables.Select(tensor => tensor.Value.grad!.clone())]);
        }

        static void Same((float Loss, List<Tensor> Gradients) actual, (float Loss, List<Tensor> Gradients) expected)
        {
            actual.Loss.ShouldBe(expected.Loss, 1e-4f * Math.Max(1, Math.Abs(expected.Loss)));
            foreach (var (a, b) in actual.Gradients.Zip(expected.Gradients)) a.Difference(b).ShouldBeLessThan(2e-3f * Math.Max(0.05f, b.abs().max().item<float>()));
        }
    }

    // Keys of a prefix are read as those of the text are, whichever way a kernel turns them.
    [Theory, MemberData(nameof(OfAnyLength))]
    public void A_prefix_with_the_keys_and_values_of_a_text_continues_it(string name)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = CausalLM.FromPretrained(Oracle.Base(name));
        using var peft = model.ApplyAdapter(new PrefixTuningOptions { VirtualTokens = 3 });
        peft.Shake();
        var ids = Ids(Prompts[1]);
        var whole = model.forward(ids);
        using var cache = new KeyValueCache();
        var first = model.forward(new ModelInput { InputIds = ids.narrow(1, 0, 4), Cache = cache });
        var rest = model.forward(new ModelInput { InputIds = ids.narrow(1, 4, 3), Cache = cache });
        cat([first, rest], 1).Difference(whole).ShouldBeLessThan(2e-4f * whole.abs().max().item<float>());
    }

    [Theory, MemberData(nameof(OfAnyLength))]
    public void The_keys_and_values_of_a_text_are_a_prefix_that_goes_before_another(string name)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = CausalLM.FromPretrained(Oracle.Base(name));
        var ids = Ids(Prompts[1]);
        var whole = model.forward(ids);
        var prefix = model.KeysAndValues(ids.narrow(1, 0, 4));
        var rest = model.forward(new ModelInput { InputIds = ids.narrow(1, 4, 3), Prefix = prefix });
        rest.Difference(whole.narrow(1, 4, 3)).ShouldBeLessThan(2e-4f * whole.abs().max().item<float>());
    }

    [Theory, MemberData(nameof(Decoders))]
    public void A_saved_model_is_the_same(string name)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = CausalLM.FromPretrained(Oracle.Base(name));
        model.SavePretrained(folder);
        using var again = CausalLM.FromPretrained(folder);
        var ids = Ids(Prompts[1]);
        again.forward(ids).Difference(model.forward(ids)).ShouldBe(0);
    }
}
