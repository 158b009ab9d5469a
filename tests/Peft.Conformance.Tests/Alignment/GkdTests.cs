using System.Globalization;
using System.Text.Json;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Generalized knowledge distillation, as TRL's GKDTrainer computes it.</summary>
public sealed class GkdTests
{
    public static TheoryData<string> Cases => AlignmentCase.Of("gkd");

    [Theory, MemberData(nameof(Cases))]
    public void Loss_and_metrics(string id)
    {
        using var @case = new AlignmentCase(id);
        using var teacher = TeacherOf(@case);
        @case.CheckLossAndMetrics(ObjectiveOf(@case, teacher), BatchOf(@case));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Gradients(string id)
    {
        using var @case = new AlignmentCase(id);
        using var teacher = TeacherOf(@case);
        @case.CheckGradients(ObjectiveOf(@case, teacher), BatchOf(@case));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Three_training_steps(string id)
    {
        using var @case = new AlignmentCase(id);
        using var teacher = TeacherOf(@case);
        @case.CheckTraining(ObjectiveOf(@case, teacher), () => BatchOf(@case));
    }

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

    private static CausalLM TeacherOf(AlignmentCase @case) => CausalLM.FromPretrained(Oracle.Base(@case.Config.GetProperty("teacher").GetString()!));

    private static GkdObjective ObjectiveOf(AlignmentCase @case, CausalLM teacher) => new(@case.Peft, Reference.Model(teacher), new GkdOptions { Beta = @case.Number("beta"), Lambda = 0 });

    private static Batch BatchOf(AlignmentCase @case)
    {
        var extra = new Dictionary<string, Tensor>();
        if (@case.Optional("num_items_in_batch") is { } items) extra["num_items_in_batch"] = tensor((float)items);
        return new() { InputIds = @case.Expected.Read("input_ids"), AttentionMask = @case.Expected.Read("attention_mask"), Labels = @case.Expected.Read("labels"), Extra = extra };
    }
}
