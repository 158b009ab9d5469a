using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class DensityRatioTests
{
    // LogisticRegression(class_weight="balanced", tol=1e-12) of scikit-learn 1.9.0 on the same rows: probabilities of the first six.
    private static readonly double[] Expected = [0.8962137569820607, 0.08758189336339024, 0.5027580490254822, 0.46217630338300836, 0.5097977152058782, 0.08322704418627062];

    private static double[] Row(int i) => [.. Enumerable.Range(0, 4).Select(j => Math.Sin(3 * i + 7 * j + 1) + (i % 3 == 0 ? 0.8 : 0))];

    private static Tensor Rows() => stack([.. Enumerable.Range(0, 30).Select(i => tensor(Row(i)))]);

    [Fact]
    public void The_regression_is_that_of_scikit_learn()
    {
        using var scope = NewDisposeScope();
        var labels = tensor(Enumerable.Range(0, 30).Select(i => i % 3 == 0 ? 1.0 : 0).ToArray());
        var probabilities = LogisticRegression.Fit(Rows(), labels).Predict(Rows()).data<double>().ToArray();
        for (var i = 0; i < Expected.Length; i++) probabilities[i].ShouldBe(Expected[i], 1e-6);
    }

    [Theory, InlineData(0.0, 1000.0), InlineData(0.5, 1.0)]
    public void Undesirable_rows_weigh_as_their_prompts_resemble_those_of_desirable_ones(double minimum, double maximum)
    {
        using var scope = NewDisposeScope();
        var asked = new List<string>();
        var data = UnpairedDataset.FromRows(Enumerable.Range(0, 30).Select(i => new JsonObject { ["prompt"] = $"{i} ", ["completion"] = "Yes.", ["label"] = i % 3 == 0 }), Chats.Tokenizer(), new()
        {
            DensityRatios = new(texts =>
            {
                asked.AddRange(texts);
                return stack([.. texts.Select(text => tensor(Row(int.Parse(text, System.Globalization.CultureInfo.InvariantCulture))))]);
            })
            { BatchSize = 7, Minimum = minimum, Maximum = maximum },
        });
        asked.Select(text => int.Parse(text, System.Globalization.CultureInfo.InvariantCulture)).ShouldBe(Enumerable.Range(0, 30));
        using var batch = data.GetBatch([0, 1, 2, 3, 4, 5]);
        var weights = batch.Extra["weight"].data<float>().ToArray();
        for (var i = 0; i < 6; i++) weights[i].ShouldBe(i % 3 == 0 ? 1 : (float)Math.Clamp(Expected[i] / (1 - Expected[i]), minimum, maximum), 1e-4f);
    }

    [Fact]
    public void Weights_multiply_the_losses_of_their_rows()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = Texts.Policy(model);
        using var batch = Texts.Labelled(4);
        using var weighted = new Batch { InputIds = batch.InputIds.alias(), AttentionMask = batch.AttentionMask!.alias(), Weight = 4, Extra = new Dictionary<string, Tensor>(batch.Extra) { ["weight"] = tensor([1f, 3, 1, 0.5f]) } };
        var plain = new BcoObjective(peft).Compute(batch).Losses;
        (new BcoObjective(peft).Compute(weighted).Losses - plain.mul(tensor([1f, 3, 1, 0.5f]))).abs().max().item<float>().ShouldBeLessThan(1e-6f);
        using var wrong = new Batch { InputIds = batch.InputIds.alias(), AttentionMask = batch.AttentionMask!.alias(), Weight = 4, Extra = new Dictionary<string, Tensor>(batch.Extra) { ["weight"] = ones(3) } };
        Should.Throw<ArgumentException>(() => new BcoObjective(peft).Compute(wrong)).Message.ShouldContain("weight");
    }

    [Fact]
    public void Embeddings_that_cannot_be_used_are_refused()
    {
        Error(_ => ones(3, 3), both: true).ShouldContain("for 2 prompts");
        Error(texts => full([texts.Count, 3], double.NaN), both: true).ShouldContain("not finite");
        Error(texts => ones(texts.Count, 3), both: false).ShouldContain("all rows are of one kind");

        static string Error(Func<IReadOnlyList<string>, Tensor> embed, bool both)
        {
            using var scope = NewDisposeScope();
            JsonObject[] rows = [.. Enumerable.Range(0, 2).Select(i => new JsonObject { ["prompt"] = $"{i} ", ["completion"] = "Yes.", ["label"] = !both || i == 0 })];
            return Should.Throw<DatasetException>(() => UnpairedDataset.FromRows(rows, Chats.Tokenizer(), new() { DensityRatios = new(embed) })).Message;
        }
    }
}
