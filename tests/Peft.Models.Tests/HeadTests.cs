using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Every head on every architecture that has it in transformers: its names, its labels, its losses.</summary>
public class HeadTests
{
    private const double Tolerance = 1e-5;   // float32 sums in another order

    /// <summary>Base, then where transformers' class for questions keeps the model; empty where there is no such class.</summary>
    private static readonly Dictionary<string, string> Bases = new()
    {
        ["llama"] = "transformer.layers.0", ["mistral"] = "model.layers.0", ["qwen2"] = "transformer.layers.0", ["qwen3"] = "transformer.layers.0",
        ["gemma"] = "", ["gemma2"] = "", ["gemma3"] = "", ["phi3"] = "", ["gpt2"] = "transformer.h.0", ["gpt-neox"] = "gpt_neox.layers.0", ["opt"] = "model.decoder.layers.0",
        ["bert-mlm"] = "bert.encoder.layer.0", ["roberta-seqcls"] = "roberta.encoder.layer.0", ["distilbert-seqcls"] = "distilbert.transformer.layer.0", ["t5"] = "",
    };

    public static TheoryData<string> All => [.. Bases.Keys];

    public static TheoryData<string> Answering => [.. Bases.Where(pair => pair.Value.Length > 0).Select(pair => pair.Key)];

    public static TheoryData<string> NotAnswering => [.. Bases.Where(pair => pair.Value.Length == 0).Select(pair => pair.Key)];

    private static ModelConfig Config(string name) => ModelConfig.FromFolder(Reference.Folder(name)).With("pad_token_id", 0).With("eos_token_id", 1).With("initializer_range", 0.2);

    private static Tensor Ids => tensor(new long[] { 5, 17, 40, 8, 33, 1, 9, 60, 12, 71, 3, 1 }, [2, 6]);

    private static void InFolder(Action<TemporaryFolder> use)
    {
        using var folder = new TemporaryFolder();
        use(folder);
    }

    [Theory, MemberData(nameof(Answering))]
    public void Answers_are_found_by_a_projection_of_each_state(string name) => InFolder(folder =>
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = QuestionAnswerer.FromConfig(Config(name), seed: 3);
        model.named_parameters().ShouldContain(each => each.name.StartsWith(Bases[name], StringComparison.Ordinal));
        model.SavePretrained(folder);
        using var features = FeatureExtractor.FromPretrained(folder);
        using var loaded = QuestionAnswerer.FromPretrained(folder);

        var expected = features.forward(Ids).matmul(model.Head.Weight.t()).add(model.Head.Bias!);
        loaded.InitializedParameters.ShouldBeEmpty();
        loaded.forward(Ids).Difference(expected).ShouldBeLessThan(Tolerance);

        var scores = nn.functional.log_softmax(expected, 1);
        var loss = -(scores[0, 1, 0] + scores[1, 4, 0] + scores[0, 2, 1] + scores[1, 5, 1]).item<float>() / 4;
        loaded.Loss(new ModelInput { InputIds = Ids }, tensor(new long[] { 1, 2, 4, 5 }, [2, 2])).item<float>().ShouldBe(loss, 1e-5);
    });

    [Theory, MemberData(nameof(Answering))]
    public void A_language_model_gets_a_fresh_head_for_answers(string name) => InFolder(folder =>
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using PretrainedModel writer = name.Contains('-') && name != "gpt-neox" ? MaskedLM.FromConfig(Config(name), seed: 3) : CausalLM.FromConfig(Config(name), seed: 3);
        writer.SavePretrained(folder);
        using var model = QuestionAnswerer.FromPretrained(folder);
        using var features = FeatureExtractor.FromPretrained(folder);

        model.InitializedParameters.ShouldBe(["qa_outputs.weight", "qa_outputs.bias"], ignoreOrder: true);
        model.forward(Ids).Difference(features.forward(Ids).matmul(model.Head.Weight.t())).ShouldBeLessThan(Tolerance);
    });

    [Theory, MemberData(nameof(NotAnswering))]
    public void Architectures_without_a_head_for_answers_are_refused_by_name(string name)
        => Should.Throw<UnsupportedModelException>(() => QuestionAnswerer.FromConfig(Config(name))).Message.ShouldContain(Config(name).ModelType);

    [Theory, MemberData(nameof(All))]
    public void Sequences_are_classified_by_any_type_of_problem(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = SequenceClassifier.FromConfig(Config(name), seed: 3, new() { LabelCount = 3 });
        var input = new ModelInput { InputIds = Ids };
        var logits = model.forward(input);
        logits.shape.ShouldBe([2, 3]);
        var of = logits.data<float>().Select(each => (double)each).ToArray();

        double single = 0, several = 0, regression = 0;
        long[] classes = [2, 0];
        float[] targets = [1, 0, 1, 0, 0, 1];
        for (var row = 0; row < 2; row++) single -= of[(row * 3) + classes[row]] - Math.Log(Enumerable.Range(0, 3).Sum(i => Math.Exp(of[(row * 3) + i])));
        for (var i = 0; i < 6; i++)
        {
            several -= (targets[i] * Math.Log(1 / (1 + Math.Exp(-of[i])))) + ((1 - targets[i]) * Math.Log(1 / (1 + Math.Exp(of[i]))));
            regression += Math.Pow(of[i] - targets[i], 2);
        }
        model.Loss(input, tensor(classes)).item<float>().ShouldBe((float)(single / 2), 1e-4);
        model.Loss(input, tensor(targets, [2, 3])).item<float>().ShouldBe((float)(several / 6), 1e-4);
        using var regressor = SequenceClassifier.FromConfig(Config(name).With("problem_type", "regression"), seed: 3, new() { LabelCount = 3 });
        regressor.Loss(input, tensor(targets, [2, 3])).item<float>().ShouldBe((float)(regression / 6), 1e-4);
        using var one = SequenceClassifier.FromConfig(Config(name), seed: 3, new() { LabelCount = 1 });
        var values = one.forward(input).data<float>().ToArray();
        one.Loss(input, tensor(new float[] { 0.5f, -1 })).item<float>().ShouldBe((float)((Math.Pow(values[0] - 0.5, 2) + Math.Pow(values[1] + 1, 2)) / 2), 1e-4);
    }

    [Theory, MemberData(nameof(All))]
    public void A_head_is_replaced_for_other_labels(string name) => InFolder(folder =>
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var token = name != "t5";
        void Both(Func<LoadOptions?, HeadedModel> load)
        {
            Should.Throw<CheckpointMismatchException>(() => load(null));   // the file says 4 classes, its head has 2
            using var model = load(new() { Id2Label = ["no", "perhaps", "yes"] });
            model.Config.Labels.ShouldBe(["no", "perhaps", "yes"]);
            model.Head.Weight.shape[0].ShouldBe(3);
            model.InitializedParameters.ShouldAllBe(parameter => parameter.Contains("score") || parameter.Contains("classifier") || parameter.Contains("out_proj"));
            model.InitializedParameters.Count.ShouldBe(model.Head.Bias is null ? 1 : 2);
            model.forward(Ids).shape[^1].ShouldBe(3);
        }
        using (var made = SequenceClassifier.FromConfig(Config(name), seed: 3, new() { LabelCount = 2 })) made.SavePretrained(folder);
        Claim(folder);
        Both(options => SequenceClassifier.FromPretrained(folder, options));
        if (!token) return;
        using (var made = TokenClassifier.FromConfig(Config(name), seed: 3, new() { LabelCount = 2 })) made.SavePretrained(folder);
        Claim(folder);
        Both(options => TokenClassifier.FromPretrained(folder, options));
    });

    private static void Claim(TemporaryFolder folder)
    {
        var path = folder["config.json"];
        var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        config.Remove("id2label");
        config["num_labels"] = 4;
        File.WriteAllText(path, config.ToJsonString());
    }

    [Fact]
    public void T5_classifies_by_what_its_decoder_makes_of_the_last_end_token() => InFolder(folder =>
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var writer = Seq2SeqLM.FromConfig(Config("t5"), seed: 3);
        writer.SavePretrained(folder);
        using var model = SequenceClassifier.FromPretrained(folder, new() { LabelCount = 3 });
        model.InitializedParameters.ShouldBe(["classification_head.dense.weight", "classification_head.dense.bias", "classification_head.out_proj.weight", "classification_head.out_proj.bias"], ignoreOrder: true);
        model.named_parameters().ShouldContain(each => each.name == "transformer.shared.weight");

        // The head's formula on the decoder's states, which the language model's backbone gives for the input shifted by one.
        var ids = tensor(new long[] { 5, 17, 1, 8, 1, 0, 9, 1, 12, 71, 3, 1 }, [2, 6]);
        var mask = tensor(new long[] { 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1 }, [2, 6]);
        var shifted = tensor(new long[] { 0, 5, 17, 1, 8, 1, 0, 9, 1, 12, 71, 3 }, [2, 6]);
        var states = writer.Backbone.call(new ModelInput { InputIds = ids, AttentionMask = mask, DecoderInputIds = shifted });
        var ends = stack([states[0, 4], states[1, 5]], 0);
        var weights = model.named_parameters().ToDictionary(each => each.name, each => each.parameter);
        var expected = ends.matmul(weights["classification_head.dense.weight"].t()).tanh().matmul(weights["classification_head.out_proj.weight"].t());
        var input = new ModelInput { InputIds = ids, AttentionMask = mask };
        model.forward(input).Difference(expected).ShouldBeLessThan(1e-4);   // T5's states are large

        Should.Throw<ArgumentException>(() => model.forward(tensor(new long[] { 5, 1, 1, 8, 9, 1 }, [2, 3]))).Message.ShouldContain("between 1 and 2");
        Should.Throw<ArgumentException>(() => model.forward(tensor(new long[] { 5, 7 }, [1, 2]))).Message.ShouldContain("end-of-sequence");
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput { Embeddings = zeros(1, 2, 32) })).Message.ShouldContain("token ids");

        model.SavePretrained(folder);
        using var loaded = SequenceClassifier.FromPretrained(folder);
        loaded.InitializedParameters.ShouldBeEmpty();
        loaded.forward(input).Difference(model.forward(input)).ShouldBe(0);
    });
}
