using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Encoders: ways to run the same tokens that must agree, and what is refused.</summary>
public class EncoderTests
{
    // Float32 sums in another order, through two layers.
    private const double Tolerance = 1e-5;

    public static TheoryData<string> Bases => ["bert-tokcls", "roberta-seqcls", "distilbert-seqcls"];

    private static Tensor Ids(params long[] ids) => tensor(ids).unsqueeze(0);

    private static FeatureExtractor Load(string name) => FeatureExtractor.FromPretrained(Reference.Folder(name));

    [Theory, MemberData(nameof(Bases))]
    public void Padding_on_the_right_changes_nothing(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load(name);
        var plain = model.forward(Ids(5, 17, 40, 8, 33));
        var padding = model.Config.PadTokenId!.Value;
        var padded = model.forward(new ModelInput { InputIds = Ids(5, 17, 40, 8, 33, padding, padding), AttentionMask = Ids(1, 1, 1, 1, 1, 0, 0) });
        padded.narrow(1, 0, 5).Difference(plain).ShouldBeLessThan(Tolerance);
    }

    [Fact]
    public void Positions_of_RoBERTa_leave_padding_out_wherever_it_stands()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load("roberta-seqcls");
        var padded = model.forward(new ModelInput { InputIds = Ids(1, 1, 5, 17, 40), AttentionMask = Ids(0, 0, 1, 1, 1) });
        padded.narrow(1, 2, 3).Difference(model.forward(Ids(5, 17, 40))).ShouldBeLessThan(Tolerance);
    }

    [Theory, MemberData(nameof(Bases))]
    public void Every_token_sees_later_ones(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load(name);
        model.forward(Ids(5, 17, 40)).narrow(1, 0, 1).Difference(model.forward(Ids(5, 17, 41)).narrow(1, 0, 1)).ShouldBeGreaterThan(1e-3);
    }

    [Theory, MemberData(nameof(Bases))]
    public void Packed_sequences_do_not_see_each_other(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load(name);
        var (first, second) = (Ids(5, 17, 40, 8), Ids(51, 22));
        var packed = model.forward(new ModelInput { InputIds = cat([first, second], 1), PackedLengths = [4, 2] });
        packed.Difference(cat([model.forward(first), model.forward(second)], 1)).ShouldBeLessThan(Tolerance);
    }

    [Fact]
    public void Token_types_count_and_are_zero_where_none_are_given()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load("bert-tokcls");
        var ids = Ids(5, 17, 40);
        using var batch = new Batch { InputIds = ids.clone(), Extra = new Dictionary<string, Tensor> { ["token_type_ids"] = Ids(0, 0, 1) } };
        model.forward(new ModelInput { InputIds = ids, TokenTypeIds = zeros_like(ids) }).Difference(model.forward(ids)).ShouldBe(0);
        model.forward(ModelInput.From(batch)).Difference(model.forward(ids)).ShouldBeGreaterThan(1e-3);
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput { InputIds = ids, TokenTypeIds = Ids(0, 1) })).Message.ShouldContain("[1, 2]");
        using var other = Load("distilbert-seqcls");
        Should.Throw<ArgumentException>(() => other.forward(new ModelInput { InputIds = ids, TokenTypeIds = zeros_like(ids) })).Message.ShouldContain("token types");
    }

    [Theory, MemberData(nameof(Bases))]
    public void What_does_not_fit_is_refused(string name)
    {
        using var scope = NewDisposeScope();
        using var model = Load(name);
        Should.Throw<ArgumentException>(() => model.forward(full(1, 65, 5, ScalarType.Int64))).Message.ShouldContain("64");
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput { InputIds = Ids(5, 17), AttentionMask = Ids(1, 1, 1) })).Message.ShouldContain("[1, 3]");
        using var cache = new KeyValueCache();
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput { InputIds = Ids(5, 17), Cache = cache })).Message.ShouldContain("cache");
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput())).Message.ShouldContain("InputIds");
    }

    [Fact]
    public void Embeddings_stand_in_for_ids()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load("roberta-seqcls");
        var ids = Ids(5, 17, 40);
        model.forward(new ModelInput { Embeddings = model.InputEmbeddings.call(ids) }).Difference(model.forward(ids)).ShouldBe(0);
    }

    [Fact]
    public void An_embedding_is_the_mean_over_real_tokens()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load("bert-tokcls");
        var input = new ModelInput { InputIds = Ids(5, 17, 40, 0), AttentionMask = Ids(1, 1, 1, 0) };
        var mean = model.forward(Ids(5, 17, 40)).mean([1]);
        model.Embed(input).Difference(mean).ShouldBeLessThan(Tolerance);
        model.Embed(input, normalize: true).Difference(mean / mean.norm()).ShouldBeLessThan(Tolerance);
        Should.Throw<NotSupportedException>(() => model.Loss(input, Ids(1)));
    }

    [Theory]
    [InlineData("bert-seqcls")]
    [InlineData("distilbert-seqcls")]
    [InlineData("roberta-seqcls")]
    public void Dropout_acts_in_training_only(string name)
    {
        using var scope = NewDisposeScope();
        var config = ModelConfig.FromFolder(Reference.Folder(name)).With("hidden_dropout_prob", 0.5).With("dropout", 0.5);
        using var model = FeatureExtractor.FromConfig(config);
        var ids = Ids(5, 17, 40);
        model.forward(ids).Difference(model.forward(ids)).ShouldBe(0);
        model.train();
        model.forward(ids).Difference(model.forward(ids)).ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Tasks_have_the_names_of_Hugging_Face()
    {
        var tasks = new Dictionary<string, string?>
        {
            ["bert-mlm"] = null, ["bert-qa"] = "QUESTION_ANS", ["bert-seqcls"] = "SEQ_CLS", ["bert-tokcls"] = "TOKEN_CLS", ["t5"] = "SEQ_2_SEQ_LM", ["llama"] = "CAUSAL_LM",
        };
        foreach (var (name, task) in tasks)
        {
            using var model = Reference.Load(name);
            model.TaskType.ShouldBe(task);
        }
        using var features = Load("bert-mlm");
        features.TaskType.ShouldBe("FEATURE_EXTRACTION");
    }
}
