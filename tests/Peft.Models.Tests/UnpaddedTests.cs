using Peft.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Padded batches of which only the tokens are computed, against each row alone and against passes that compute the padding.</summary>
public class UnpaddedTests
{
    private const int Width = 9, Tokens = 5 + 1 + 9 + 3;

    private static readonly int[] Lengths = [5, 1, 9, 3];

    // Float32 sums in another order, through two layers.
    private const double Tolerance = 1e-5;

    private static ModelConfig Config(string kind) => ModelConfig.FromFolder(Reference.Folder(kind switch { "bert" or "roberta" or "distilbert" => kind + "-seqcls", _ => kind }))
        .With("initializer_range", 0.2).With("hidden_dropout_prob", 0.0).With("attention_probs_dropout_prob", 0.0).With("dropout", 0.0).With("attention_dropout", 0.0).With("seq_classif_dropout", 0.0)
        .With("attn_pdrop", 0.0).With("embd_pdrop", 0.0).With("resid_pdrop", 0.0).With("pad_token_id", kind == "roberta" ? 1 : 0);

    private static ModelInput Input(ModelConfig config, bool left, int copies = 1)
    {
        manual_seed(7);
        int[] lengths = [.. Enumerable.Repeat(Lengths, copies).SelectMany(each => each)];
        var ids = randint(5, 90, [lengths.Length, Width]);
        var mask = zeros_like(ids);
        foreach (var (row, length) in lengths.Index()) mask[row].narrow(0, left ? Width - length : 0, length).fill_(1);
        return new() { InputIds = ids.masked_fill(mask.eq(0), config.PadTokenId!.Value), AttentionMask = mask };
    }

    // BERT and DistilBERT count the padding before a row as positions.
    private static ModelInput Alone(PretrainedModel model, ModelInput input, int row, bool left)
    {
        var first = left ? Width - Lengths[row] : 0;
        return new()
        {
            InputIds = input.InputIds!.narrow(0, row, 1).narrow(1, first, Lengths[row]),
            PositionIds = model.Spec.Positions == PositionRule.All ? arange(first, first + Lengths[row], ScalarType.Int64).unsqueeze(0) : null,
        };
    }

    // Positions that the last layer computes.
    private static long Positions(PretrainedModel model, Action run)
    {
        long positions = 0;
        var layer = model.Backbone.Layers[^1].named_modules().Select(pair => pair.module).OfType<AdaptableModule>().Last(module => module is Linear or TransposedLinear);
        var hook = layer.register_forward_hook((_, input, output) =>
        {
            Interlocked.Add(ref positions, input.numel() / input.shape[^1]);
            return output.alias();
        });
        run();
        hook.remove();
        return positions;
    }

    public static TheoryData<string, bool, Pooling> Classifiers
    {
        get
        {
            var all = new TheoryData<string, bool, Pooling>();
            foreach (var kind in new[] { "bert", "roberta", "distilbert", "llama", "gpt2", "opt", "mistral" })
                foreach (var left in new[] { false, true })
                    foreach (var pooling in Enum.GetValues<Pooling>())
                        if (pooling != Pooling.Cls || (!left && kind.Contains("bert", StringComparison.Ordinal))) all.Add(kind, left, pooling);
            return all;
        }
    }

    [Theory, MemberData(nameof(Classifiers))]
    public void A_classifier_computes_tokens_only_and_gives_the_rows_what_they_get_alone(string kind, bool left, Pooling pooling)
    {
        using var scope = NewDisposeScope();
        var config = Config(kind);
        using var model = SequenceClassifier.FromConfig(config, 3, new() { LabelCount = 3, Pooling = pooling });
        using var peft = model.ApplyLora(rank: 4, targets: ModuleSelector.AllLinear);
        peft.Shake(0.3, seed: 2);
        model.train();
        var (input, labels) = (Input(config, left), tensor(new long[] { 0, 2, 1, 1 }));
        Tensor loss = null!;
        Positions(model, () => loss = model.Loss(input, labels)).ShouldBe(Tokens);
        var gradients = Gradients(() => loss.backward());
        var logits = model.forward(input);

        double sum = 0;
        var expected = Gradients(() =>
        {
            for (var row = 0; row < Lengths.Length; row++)
            {
                logits[row].Difference(model.forward(Alone(model, input, row, left))[0]).ShouldBeLessThan(Tolerance);
                var own = model.Loss(Alone(model, input, row, left), labels.narrow(0, row, 1)) / Lengths.Length;
                own.backward();
                sum += own.item<float>();
            }
        });
        loss.item<float>().ShouldBe((float)sum, 1e-5f);
        gradients.Zip(expected).ShouldAllBe(pair => pair.First.RelativeDifference(pair.Second) < 1e-3);

        List<Tensor> Gradients(Action run)
        {
            foreach (var each in peft.Trainables) each.Value.grad = null;
            run();
            return [.. peft.Trainables.Select(each => each.Value.grad!.clone())];
        }
    }

    [Fact]
    public void Padding_whose_state_is_classified_is_computed()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = Config("bert");
        using var model = SequenceClassifier.FromConfig(config, 3, new() { LabelCount = 3 });
        var input = Input(config, left: true);
        Tensor logits = null!;
        Positions(model, () => logits = model.forward(input)).ShouldBe(Lengths.Length * Width);
        var first = model.Backbone.call(input).select(1, 0);
        var weights = model.named_parameters().ToDictionary(each => each.name, each => each.parameter);
        var pooled = first.matmul(weights["bert.pooler.dense.weight"].t()).add(weights["bert.pooler.dense.bias"]).tanh();
        logits.Difference(pooled.matmul(model.Head.Weight.t()).add(model.Head.Bias!)).ShouldBeLessThan(Tolerance);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Labelled_padding_is_computed_and_padding_without_labels_is_not(bool left)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = Config("bert");
        using var tagger = TokenClassifier.FromConfig(config, 3, new() { LabelCount = 4 });
        using var masked = MaskedLM.FromConfig(config, 3);
        var input = Input(config, left);
        foreach (var (model, all) in new (PretrainedModel, Tensor)[] { (tagger, randint(0, 4, [4, Width])), (masked, randint(0, 90, [4, Width])) })
            foreach (var labelled in new[] { false, true })
            {
                var labels = labelled ? all : all.masked_fill(input.AttentionMask!.eq(0), Batch.IgnoredLabel);
                Tensor loss = null!;
                Positions(model, () => loss = model.Loss(input, labels)).ShouldBe(labelled ? Lengths.Length * Width : Tokens);
                var logits = model.forward(input);
                loss.Difference(nn.functional.cross_entropy(logits.reshape(-1, logits.shape[2]), labels.reshape(-1), ignore_index: Batch.IgnoredLabel)).ShouldBeLessThan(Tolerance);
            }
        Tensor own = null!;
        Positions(tagger, () => own = tagger.OwnLogits(input)).ShouldBe(Tokens);
        AtTokens(own, input).Difference(AtTokens(tagger.forward(input), input)).ShouldBeLessThan(Tolerance);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Answers_are_found_in_tokens_only_but_trained_among_padding_too(bool left)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = Config("bert");
        using var model = QuestionAnswerer.FromConfig(config, 3);
        var input = Input(config, left);
        Tensor own = null!;
        Positions(model, () => own = model.OwnLogits(input)).ShouldBe(Tokens);
        AtTokens(own, input).Difference(AtTokens(model.forward(input), input)).ShouldBeLessThan(Tolerance);
        Positions(model, () => model.Loss(input, zeros([4, 2], ScalarType.Int64))).ShouldBe(Lengths.Length * Width);
    }

    [Theory, InlineData("bert", false), InlineData("roberta", true), InlineData("distilbert", false), InlineData("llama", true)]
    public void Embeddings_are_those_of_rows_alone(string kind, bool left)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = Config(kind);
        using var model = FeatureExtractor.FromConfig(config, 3);
        var input = Input(config, left);
        Tensor vectors = null!;
        Positions(model, () => vectors = model.Embed(input)).ShouldBe(Tokens);
        for (var row = 0; row < Lengths.Length; row++) vectors[row].Difference(model.Embed(Alone(model, input, row, left))[0]).ShouldBeLessThan(Tolerance);
    }

    [Fact]
    public void What_is_no_padding_at_an_end_is_computed_as_it_is()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = Config("bert");
        using var model = SequenceClassifier.FromConfig(config, 3, new() { LabelCount = 3, Pooling = Pooling.Mean });
        var ids = Input(config, left: false).InputIds!;
        var plain = model.forward(ids);
        var full = ones_like(ids);
        model.forward(new ModelInput { InputIds = ids, AttentionMask = full }).Difference(plain).ShouldBe(0);
        var (hole, empty) = (full.clone(), full.clone());
        hole[1].narrow(0, 3, 2).fill_(0);
        empty[2].fill_(0);
        foreach (var mask in new[] { hole, empty })
        {
            var input = new ModelInput { InputIds = ids, AttentionMask = mask };
            Positions(model, () => model.forward(input)).ShouldBe(Lengths.Length * Width);
        }
    }

    [Fact]
    public void Dropout_draws_the_same_from_one_seed_with_checkpoints_too()
    {
        using var scope = NewDisposeScope();
        var config = Config("bert").With("hidden_dropout_prob", 0.2).With("attention_probs_dropout_prob", 0.2);
        using var model = SequenceClassifier.FromConfig(config, 3, new() { LabelCount = 3 });
        using var peft = model.ApplyLora(rank: 4, targets: ModuleSelector.AllLinear);
        peft.Shake(0.3, seed: 2);
        model.train();
        var (input, labels) = (Input(config, left: false), tensor(new long[] { 0, 2, 1, 1 }));
        var expected = Train();
        Train().ShouldBe(expected);
        model.CheckpointActivations = true;
        var checkpointed = Train();
        Train().ShouldBe(checkpointed);
        // Layers that run without gradients multiply by other kernels. Another draw would differ by the size of the gradients.
        tensor(checkpointed.ToArray()).RelativeDifference(tensor(expected.ToArray())).ShouldBeLessThan(Tolerance);

        List<float> Train()
        {
            foreach (var each in peft.Trainables) each.Value.grad = null;
            manual_seed(5);
            var loss = model.Loss(input, labels);
            loss.backward();
            return [loss.item<float>(), .. peft.Trainables.SelectMany(each => each.Value.grad!.Values<float>())];
        }
    }

    [Theory, InlineData("classifier"), InlineData("tagger"), InlineData("masked")]
    public void Parts_on_several_threads_train_as_one_does_and_equally_each_time(string task)
    {
        const int steps = 3, copies = 5;   // few rows would not be divided
        using var scope = NewDisposeScope();
        var config = Config("bert");
        var (input, labels) = (Input(config, left: false, copies), randint(0, 3, task == "classifier" ? [copies * Lengths.Length] : [copies * Lengths.Length, Width]));
        if (task != "classifier") labels = labels.masked_fill(input.AttentionMask!.eq(0), Batch.IgnoredLabel);
        var whole = Train(1);
        foreach (var parts in new[] { 2, 3 })
        {
            // A step without momentum is the gradient.
            var divided = Train(parts);
            divided.Losses.Zip(whole.Losses).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < Tolerance * pair.Second);
            divided.Steps.Zip(whole.Steps).ShouldAllBe(pair => pair.First.RelativeDifference(pair.Second) < 1e-3);
            divided.Steps.Zip(whole.Steps).ShouldContain(pair => pair.First.Difference(pair.Second) > 0, "they did run apart");
            var again = Train(parts);
            again.Losses.ShouldBe(divided.Losses);
            again.Steps.Zip(divided.Steps).ShouldAllBe(pair => pair.First.Difference(pair.Second) == 0);
        }

        (IReadOnlyList<double> Losses, List<Tensor> Steps) Train(int parts)
        {
            LoadOptions options = new() { LabelCount = 3 };
            using PretrainedModel model = task switch
            {
                "classifier" => SequenceClassifier.FromConfig(config, 3, options),
                "tagger" => TokenClassifier.FromConfig(config, 3, options),
                _ => MaskedLM.FromConfig(config, 3),
            };
            using var peft = model.ApplyLora(rank: 4, targets: ModuleSelector.AllLinear);
            peft.Shake(0.3, seed: 2);
            var before = peft.Trainables.Select(each => each.Value.detach().clone()).ToList();
            TrainingResult result = null!;
            var data = TrainingDataset.From(1, _ => new() { InputIds = input.InputIds!.clone(), AttentionMask = input.AttentionMask!.clone(), Labels = labels.clone() });
            Positions(model, () => result = new Trainer(peft, data, new()
            {
                MaxSteps = steps, BatchSize = 1, ParallelParts = parts, LearningRate = 0.1, Schedule = LearningRateSchedule.Constant, MaxGradientNorm = null, Optimizer = new SgdOptions { Momentum = 0 },
            }).Train()).ShouldBe(steps * copies * Tokens);
            return (result.Losses, [.. peft.Trainables.Zip(before, (each, start) => each.Value.detach().sub(start))]);
        }
    }

    [Fact]
    public void Compositions_that_split_positions_get_whole_rows()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = Config("llama");
        using var model = FeatureExtractor.FromConfig(config, 3);
        using var peft = new PeftModel(model);
        foreach (var name in new[] { "a", "b" }) peft.Add(name, new LoraOptions { Rank = 2, TargetModules = ["q_proj"] });
        var input = Input(config, left: false);
        peft.Activate("a", "b");
        Positions(model, () => model.Embed(input)).ShouldBe(Tokens);
        peft.Activate(Composition.Split(("a", 4), ("b", Width - 4)));
        Positions(model, () => model.Embed(input)).ShouldBe(Lengths.Length * Width);
    }

    private static Tensor AtTokens(Tensor logits, ModelInput input) => logits.reshape(-1, logits.shape[2]).index_select(0, input.AttentionMask!.reshape(-1).nonzero().squeeze(1));
}
