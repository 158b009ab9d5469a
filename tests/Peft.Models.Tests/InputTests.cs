using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Inputs that do not fit a model: every head names what is wrong and what to do, before torch fails or broadcasts.</summary>
public sealed class InputTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    /// <summary>One model of each kind of head and of each way to count positions.</summary>
    public static TheoryData<string> Bases => ["llama", "gpt2", "opt", "gpt-neox", "t5", "bert-mlm", "bert-seqcls", "bert-tokcls", "bert-qa", "roberta-seqcls", "distilbert-seqcls", "llama-seqcls", "gpt2-seqcls", "features"];

    private static PretrainedModel Load(string name) => name == "features" ? FeatureExtractor.FromPretrained(Reference.Folder("bert-mlm")) : Reference.Load(name);

    private static Tensor Ids(int rows = 2, int length = 4) => arange(5, 5 + rows * length, ScalarType.Int64).view(rows, length);

    private static ModelInput Fit(PretrainedModel model) => model is Seq2SeqLM ? new() { InputIds = Ids(), DecoderInputIds = Ids() } : new() { InputIds = Ids() };

    [Theory, MemberData(nameof(Bases))]
    public void What_are_no_token_ids_is_refused_with_the_remedy(string name)
    {
        using var _ = no_grad();
        using var model = Load(name);
        var fit = Fit(model);
        (Tensor Ids, string Says)[] wrong =
        [
            (tensor(new long[] { 1, 2, 3 }), "unsqueeze(0)"), (tensor(3L), "[batch, sequence]"), (ones([1, 2, 3], ScalarType.Int64), "[batch, sequence]"), (ones(1, 3), "integers"), (ones([1, 3], ScalarType.Bool), "integers"),
            (zeros([0, 3], ScalarType.Int64), "at least one"), (zeros([2, 0], ScalarType.Int64), "at least one"), (tensor(new long[,] { { 1, -1 }, { 2, 3 } }), "Token id -1"), (tensor(new long[,] { { 1, long.MaxValue }, { 2, 3 } }), "outside the model's vocabulary"),
        ];
        foreach (var (ids, says) in wrong)
        {
            Should.Throw<ArgumentException>(() => model.forward(fit with { InputIds = ids })).Message.ShouldContain(says);
            if (fit.DecoderInputIds is not null) Should.Throw<ArgumentException>(() => model.forward(fit with { DecoderInputIds = ids })).Message.ShouldContain(ids.dim() == 2 && ids.shape[0] == 1 ? "" : says);
        }
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput())).Message.ShouldContain("InputIds");
        Should.Throw<ArgumentNullException>(() => model.forward((ModelInput)null!));
        Should.Throw<ArgumentException>(() => model.forward(fit with { Embeddings = zeros(2, 4, model.Spec.HiddenSize) })).Message.ShouldContain("both");
        foreach (var embeddings in new[] { zeros(2, 4), zeros(2, 4, model.Spec.HiddenSize + 1), zeros([2, 4, model.Spec.HiddenSize], ScalarType.Int64), zeros([2, 4, model.Spec.HiddenSize], ScalarType.Float64) })
            Should.Throw<ArgumentException>(() => model.forward(fit with { InputIds = null, Embeddings = embeddings })).Message.ShouldContain("Embeddings");
    }

    [Theory, MemberData(nameof(Bases))]
    public void What_stands_beside_the_tokens_must_have_their_shape(string name)
    {
        using var _ = no_grad();
        using var model = Load(name);
        var fit = Fit(model);
        foreach (var wrong in new[] { ones(4), ones(2, 3), ones(2, 5), ones(1, 4), ones(3, 4), ones(2, 4, 1), tensor(1.0) })
        {
            Should.Throw<ArgumentException>(() => model.forward(fit with { AttentionMask = wrong })).Message.ShouldContain("AttentionMask");
            if (fit.DecoderInputIds is not null) Should.Throw<ArgumentException>(() => model.forward(fit with { DecoderAttentionMask = wrong })).Message.ShouldContain("DecoderAttentionMask");
            if (wrong.shape is [1, 4]) continue;   // the same for all rows
            Should.Throw<ArgumentException>(() => model.forward(fit with { PositionIds = wrong.to_type(ScalarType.Int64) }));
            Should.Throw<ArgumentException>(() => model.forward(fit with { TokenTypeIds = wrong.to_type(ScalarType.Int64) }));
        }
        Should.Throw<ArgumentException>(() => model.forward(fit with { PositionIds = Ids().neg() }));
        Should.Throw<ArgumentException>(() => model.forward(fit with { TokenTypeIds = Ids() }));
        if (fit.DecoderInputIds is null) Should.Throw<ArgumentException>(() => model.forward(fit with { DecoderInputIds = Ids() })).Message.ShouldContain("DecoderInputIds");
        else Should.Throw<ArgumentException>(() => model.forward(fit with { DecoderInputIds = Ids(3) })).Message.ShouldContain("3 rows");
        foreach (IReadOnlyList<int> lengths in new IReadOnlyList<int>[] { [], [8, 0], [-1, 9], [int.MaxValue, int.MaxValue], [3] })
            Should.Throw<ArgumentException>(() => model.forward(fit with { InputIds = Ids(1, 8), DecoderInputIds = fit.DecoderInputIds?.narrow(0, 0, 1), PackedLengths = lengths }));
        model.forward(fit with { AttentionMask = ones([2, 4], ScalarType.Bool) }).Dispose();
    }

    [Theory, MemberData(nameof(Bases))]
    public void What_was_disposed_is_named(string name)
    {
        using var _ = no_grad();
        using var model = Load(name);
        var fit = Fit(model);
        var gone = Ids();
        gone.Dispose();
        Should.Throw<ObjectDisposedException>(() => model.forward(fit with { InputIds = gone })).Message.ShouldContain("InputIds");
        Should.Throw<ObjectDisposedException>(() => model.forward(fit with { AttentionMask = gone })).Message.ShouldContain("AttentionMask");
        if (model is not FeatureExtractor) Should.Throw<ObjectDisposedException>(() => model.Loss(new Batch { InputIds = gone, Labels = gone }));
        model.Dispose();
        Should.Throw<ObjectDisposedException>(() => model.forward(fit)).Message.ShouldContain(model.GetType().Name);
        Should.Throw<ObjectDisposedException>(() => model.call(fit));
        Should.Throw<ObjectDisposedException>(() => model.Loss(new Batch { InputIds = Ids(), Labels = Ids() }));
        Should.Throw<ObjectDisposedException>(() => model.ApplyLora(rank: 2));
        if (model is not LanguageModel writer) return;
        Should.Throw<ObjectDisposedException>(() => writer.Generate([1]));
        Should.Throw<ObjectDisposedException>(() => writer.BeamSearch([[1]], new GenerationOptions { NumBeams = 2 }));
    }

    [Theory, MemberData(nameof(Bases))]
    public void Labels_that_do_not_fit_are_named(string name)
    {
        using var _ = no_grad();
        using var model = Load(name);
        if (model is FeatureExtractor) return;
        var gone = Ids();
        gone.Dispose();
        foreach (var labels in new[] { tensor(3L).expand(1, 1, 1), zeros([3, 3, 3], ScalarType.Int64), full([7], 10_000L), full([2, 4], 100_000L), full([2, 4], -7L), zeros([2, 4], ScalarType.ComplexFloat32), zeros([5, 4], ScalarType.Int64) })
            Should.Throw<ArgumentException>(() => model.Loss(new Batch { InputIds = Ids(), Labels = labels }));
        Should.Throw<ObjectDisposedException>(() => model.Loss(new Batch { InputIds = Ids(), Labels = gone }));
        Should.Throw<ArgumentException>(() => model.Loss(new Batch { InputIds = Ids(), Labels = null }));
    }

    [Theory, MemberData(nameof(Bases))]
    public void Call_takes_the_whole_input_and_runs_the_hooks_of_the_model(string name)
    {
        using var _ = no_grad();
        using var model = Load(name);
        var fit = Fit(model) with { AttentionMask = ones([2, 4], ScalarType.Int64) };
        var plain = model.forward(fit);
        bool Equal(Tensor a, Tensor b) => a.eq(b).all().item<bool>();
        Equal(model.call(fit), plain).ShouldBeTrue();

        var after = model.register_forward_hook((_, ids, output) => ReferenceEquals(ids, fit.InputIds) ? output.add(1) : output);
        Equal(model.call(fit), plain.add(1)).ShouldBeTrue();
        after.remove();
        var other = Ids().add(1);
        var before = model.register_forward_pre_hook((_, _) => other);
        Equal(model.call(fit), model.forward(fit with { InputIds = other })).ShouldBeTrue();
        before.remove();
        Should.Throw<ArgumentException>(() => model.call(new ModelInput()));
        Equal(model.call(fit), plain).ShouldBeTrue();
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("opt")]
    [InlineData("bert-mlm")]
    [InlineData("bert-seqcls")]
    [InlineData("roberta-seqcls")]
    [InlineData("distilbert-seqcls")]
    public void A_block_longer_than_the_learned_positions_is_refused_with_the_remedy(string name)
    {
        using var _ = no_grad();
        using var model = Load(name);
        var most = model.Spec.MaxPositions;
        model.forward(new ModelInput { InputIds = full([1, most], 5L) }).Dispose();
        var error = Should.Throw<ArgumentException>(() => model.forward(new ModelInput { InputIds = full([1, most + 1], 5L) }));
        error.Message.ShouldContain($"{most + 1} positions");
        error.Message.ShouldContain("blockSize");
    }

    [Fact]
    public void Training_on_blocks_longer_than_the_positions_ends_before_the_first_step()
    {
        using var model = CausalLM.FromPretrained(Reference.Folder("gpt2"));
        using var peft = model.ApplyLora(rank: 2);
        var data = TrainingDataset.From(4, rows => new Batch { InputIds = full([rows.Count, model.Spec.MaxPositions + 1], 5L), Labels = full([rows.Count, model.Spec.MaxPositions + 1], 5L) });
        Should.Throw<ArgumentException>(() => new Trainer(peft, data, new TrainingOptions { MaxSteps = 1, BatchSize = 2 }).Train()).Message.ShouldContain("blockSize");
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gpt-neox")]
    [InlineData("gemma2")]
    public void Rotary_positions_go_on_beyond_the_number_in_the_configuration(string name)
    {
        using var _ = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        var most = model.Spec.MaxPositions;
        var ids = arange(2 * most, ScalarType.Int64).remainder(50).add(3).unsqueeze(0);
        var whole = model.forward(new ModelInput { InputIds = ids });
        whole.isfinite().all().item<bool>().ShouldBeTrue();
        // The first positions know nothing of the later ones. Sums of other lengths are rounded in another way.
        whole.narrow(1, 0, most).Difference(model.forward(new ModelInput { InputIds = ids.narrow(1, 0, most) })).ShouldBeLessThan(1e-4);
    }

    [Fact]
    public void Rotary_positions_far_away_need_no_table()
    {
        using var _ = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        var near = model.forward(new ModelInput { InputIds = Ids(1), PositionIds = arange(4, ScalarType.Int64).unsqueeze(0) });
        var far = model.forward(new ModelInput { InputIds = Ids(1), PositionIds = arange(4, ScalarType.Int64).add(2_000_000_000).unsqueeze(0) });
        far.shape.ShouldBe(near.shape);
        far.isfinite().all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void A_cache_of_another_batch_or_model_is_refused()
    {
        using var _ = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        using var other = CausalLM.FromPretrained(Reference.Folder("gpt2"));
        using var cache = new KeyValueCache();
        model.forward(new ModelInput { InputIds = Ids(), Cache = cache }).Dispose();
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput { InputIds = Ids(3), Cache = cache })).Message.ShouldContain("2 rows");
        if ((other.Spec.KeyValueHeadCount, other.Spec.HeadSize, other.Spec.LayerCount) != (model.Spec.KeyValueHeadCount, model.Spec.HeadSize, model.Spec.LayerCount))
            Should.Throw<ArgumentException>(() => other.forward(new ModelInput { InputIds = Ids(), Cache = cache })).Message.ShouldContain("the cache of a different model");
        cache.Dispose();
        Should.Throw<ObjectDisposedException>(() => model.forward(new ModelInput { InputIds = Ids(), Cache = cache }));
    }

    [Fact]
    public void A_prefix_that_does_not_fit_the_layers_is_refused()
    {
        using var _ = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        var (heads, size, layers) = (model.Spec.KeyValueHeadCount, model.Spec.HeadSize, model.Spec.LayerCount);
        KeyValuePrefix Pair(long rows, long count, long width) => new(zeros(rows, count, 3, width), zeros(rows, count, 3, width));
        ModelInput With(params KeyValuePrefix[] prefix) => new() { InputIds = Ids(), Prefix = prefix };
        model.forward(With([.. Enumerable.Repeat(Pair(2, heads, size), layers)])).Dispose();
        foreach (var wrong in new[] { With(), With(Pair(2, heads, size)), With([.. Enumerable.Repeat(Pair(1, heads, size), layers)]), With([.. Enumerable.Repeat(Pair(2, heads + 1, size), layers)]), With([.. Enumerable.Repeat(Pair(2, heads, size + 1), layers)]), With(new KeyValuePrefix[layers]) })
            Should.Throw<ArgumentException>(() => model.forward(wrong));
    }

    [Theory]
    [InlineData("llama", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")]
    [InlineData("gpt2", "vocab_size", "n_embd", "n_inner", "n_layer")]
    [InlineData("gpt-neox", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")]
    [InlineData("opt", "vocab_size", "hidden_size", "ffn_dim", "num_hidden_layers")]
    [InlineData("phi3", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")]
    [InlineData("gemma3", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")]
    [InlineData("t5", "vocab_size", "d_model", "d_ff", "num_layers")]
    [InlineData("bert-seqcls", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")]
    [InlineData("distilbert-seqcls", "vocab_size", "dim", "hidden_dim", "n_layers")]
    public void A_configuration_whose_tensors_cannot_be_had_is_refused_before_they_are_made(string name, params string[] fields)
    {
        var config = ModelConfig.FromFolder(Reference.Folder(name));
        foreach (var field in fields.Append("max_position_embeddings"))
        {
            if (!config.Has(field) && field != "n_inner") continue;
            foreach (var value in new long[] { int.MaxValue - 1, 0, -1, 1L << 40 })
            {
                if (field == "max_position_embeddings" && value > 0 && name is not ("opt" or "bert-seqcls" or "distilbert-seqcls")) continue;   // no tensor follows from it
                if (field.Contains("layer", StringComparison.Ordinal) && value == int.MaxValue - 1) continue;   // per-layer lists come first
                Should.Throw<PeftException>(() =>
                {
                    using var made = SequenceClassifier.FromConfig(config.With(field, value));
                }).Message.ShouldContain(config.Source);
            }
        }
        Should.Throw<PeftException>(() => SequenceClassifier.FromConfig(config.With("num_labels", 1L << 33))).Message.ShouldContain("num_labels");
        Should.Throw<ArgumentException>(() => SequenceClassifier.FromConfig(config, options: new LoadOptions { LabelCount = int.MaxValue })).Message.ShouldContain("classes");
    }

    [Fact]
    public void An_adapter_of_another_task_is_taken_with_a_warning()
    {
        using var folder = new TemporaryFolder();
        using (var model = CausalLM.FromPretrained(Reference.Folder("llama")))
        using (var peft = model.ApplyLora(rank: 2)) peft.SaveAdapter(folder["language"]);
        using (var model = SequenceClassifier.FromPretrained(Reference.Folder("llama-seqcls")))
        using (var peft = model.ApplyAdapter(new LoraOptions { Rank = 2 })) peft.SaveAdapter(folder["classes"]);

        using var writer = CausalLM.FromPretrained(Reference.Folder("llama"));
        using var fine = writer.ApplyAdapter(folder["language"]);
        fine.Find(PeftModel.DefaultName).Warnings.ShouldBeEmpty();

        using var classifier = SequenceClassifier.FromPretrained(Reference.Folder("llama-seqcls"));
        using var odd = classifier.ApplyAdapter(folder["language"]);
        odd.Find(PeftModel.DefaultName).Warnings.ShouldContain(warning => warning.Contains("trained for CAUSAL_LM, but this SequenceClassifier is for SEQ_CLS"));

        // The other way round the head that it brings has no place.
        using var another = CausalLM.FromPretrained(Reference.Folder("llama"));
        Should.Throw<PeftException>(() => another.ApplyAdapter(folder["classes"]));
    }
}
