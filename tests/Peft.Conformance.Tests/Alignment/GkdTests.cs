using System.Globalization;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Generalized knowledge distillation, as TRL's GKDTrainer computes it.</summary>
public sealed class GkdTests : ObjectiveTests<GkdTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("gkd");

    [Fact]
    public void Divergences_of_given_logits()
    {
        using var scope = NewDisposeScope();
        var folder = Path.Combine(Oracle.Folder, "alignment", "jsd");
        using var expected = new Expected(folder);
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "case.json")));
        var (student, teacher, labels) = (expected.Read("student_logits"), expected.Read("teacher_logits"), expected.Read("labels"));
        var counted = labels.ne(-100);
        foreach (var value in json.RootElement.GetProperty("values").EnumerateObject())
        {
            var whole = value.Name == "unmasked";
            double[] settings = whole ? [0.5, 1] : [.. value.Name.Split(',')[..2].Select(each => double.Parse(each, CultureInfo.InvariantCulture))];
            var terms = GeneralizedJensenShannon.Terms(student, teacher, settings[0], settings[1]);
            if (!whole) terms = terms.masked_select(counted.unsqueeze(-1));
            double count = whole ? labels.shape[0] : value.Name.Split(',')[2] switch { "sum" => 1, "mean" => terms.numel(), _ => counted.sum().item<long>() };
            (terms.sum().item<float>() / count).ShouldBe(value.Value.GetDouble(), 2e-5 * Math.Max(1, value.Value.GetDouble()), value.Name);
        }
    }

    protected override GkdObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, Reference.Model(@case.Teacher), new GkdOptions { Beta = @case.Number("beta"), Lambda = 0 });

    protected override Batch BatchOf(AlignmentCase @case)
    {
        var extra = new Dictionary<string, Tensor>();
        if (@case.Optional("num_items_in_batch") is { } items) extra["num_items_in_batch"] = tensor((float)items);
        return new() { InputIds = @case.Expected.Read("input_ids"), AttentionMask = @case.Expected.Read("attention_mask"), Labels = @case.Expected.Read("labels"), Extra = extra };
    }
}
