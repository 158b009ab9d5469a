using System.Text.Json;
using Peft.Checkpoints;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests;

/// <summary>Several adapters on one model: the oracle's <c>multi</c> folder.</summary>
public class MultiTests
{
    public static TheoryData<string> Combined => [.. Oracle.Folders("multi").Where(id => Case(id).GetProperty("kind").GetString() == "combine")];

    public static TheoryData<string> Several => [.. Oracle.Folders("multi").Where(id => Case(id).GetProperty("kind").GetString() == "several")];

    [Theory, MemberData(nameof(Several))]
    public void Adapters_alone_and_together(string id)
    {
        using var @case = new Adapters(id);
        foreach (var name in @case.Expected.Below("logits."))
        {
            @case.Peft.Activate(name.Split('+'));
            @case.Expected.ShouldEqual("logits." + name, @case.Logits());
        }
    }

    [Theory, MemberData(nameof(Several))]
    public void An_adapter_of_its_own_for_each_row(string id)
    {
        using var @case = new Adapters(id);
        using var rows = @case.Peft.Rows([.. Case(id).GetProperty("mixed_rows").EnumerateArray().Select(row => row.GetString()!)]);
        @case.Expected.ShouldEqual("mixed_logits", @case.Logits());
    }

    [Theory, MemberData(nameof(Combined))]
    public void A_combination_of_adapters(string id)
    {
        using var @case = new Adapters(id, except: "mix");
        var json = Case(id);
        double? Number(string name) => json.TryGetProperty(name, out var value) ? value.GetDouble() : null;
        var kind = Enum.Parse<Combination>(json.GetProperty("combination_type").GetString()!.Replace("_", "", StringComparison.Ordinal), ignoreCase: true);
        var names = json.GetProperty("adapters").EnumerateArray().Select(name => name.GetString()!).Where(name => name != "mix");
        var weights = json.GetProperty("weights").EnumerateArray().Select(weight => weight.GetDouble());
        if (@case.Peft.Adapters.Values.All(adapter => adapter.Options is Ia3Options)) @case.Peft.AverageAdapters("mix", [.. names.Zip(weights)]);
        else @case.Peft.Combine("mix", [.. names.Zip(weights)], new CombinationOptions { Kind = kind, Density = Number("density"), Rank = (int?)Number("svd_rank") });
        @case.Peft.Activate("mix");
        @case.Expected.ShouldEqual("logits.mix", @case.Logits());
        if (json.TryGetProperty("compare_tensors", out var compare) && compare.GetBoolean())
            @case.Expected.ShouldEqual("mix.", @case.Peft.StateOf(@case.Peft.Find("mix")).GetValueOrDefault);

        // Hugging Face's file of the mix loads beside ours and does the same.
        @case.Peft.LoadAdapter(Path.Combine(Oracle.Folder, "multi", id, "adapters", "mix"), "theirs");
        @case.Peft.Activate("theirs");
        @case.Expected.ShouldEqual("logits.mix", @case.Logits());
    }

    public static TheoryData<string> Mixtures => [.. Oracle.Roots.Select(root => Path.Combine(root, "xlora")).Where(Directory.Exists).SelectMany(Directory.GetDirectories).Select(each => Path.GetFileName(each)!)];

    // Hugging Face PEFT leaves out the layers of the classifier whose number is also an expert's name, and reads the experts from where they were.
    [Theory, MemberData(nameof(Mixtures))]
    public void X_LoRA_is_read_with_the_parts_of_its_classifier_that_are_there(string name)
    {
        var folder = Oracle.Roots.Select(root => Path.Combine(root, "xlora", name)).Single(Directory.Exists);
        using var model = AdaptedCase.LoadBase(name);
        using var peft = model.ApplyAdapter(folder);
        peft.Warnings.ShouldContain(warning => warning.Contains("classifier", StringComparison.Ordinal));
        using var file = SafetensorsFile.Open(Path.Combine(folder, AdapterCheckpoint.FileName));
        var state = peft.StateOf(peft.Find(PeftModel.DefaultName));
        file.Keys.Where(key => !state[key].bytes.SequenceEqual(file.Read(key).bytes)).ShouldBeEmpty();
        state.Keys.ShouldContain(key => !file.Tensors.ContainsKey(key));
        using var expected = new Expected(Oracle.Base(name));
        AdaptedCase.Logits(model, expected).isfinite().all().item<bool>().ShouldBeTrue();
    }

    private static JsonElement Case(string id) => JsonDocument.Parse(File.ReadAllText(Path.Combine(Oracle.Folder, "multi", id, "case.json"))).RootElement;

    private sealed class Adapters : IDisposable
    {
        private readonly TorchSharp.DisposeScope scope = NewDisposeScope();

        public Adapters(string id, string? except = null)
        {
            var folder = Path.Combine(Oracle.Folder, "multi", id);
            Expected = new Expected(folder);
            Model = AdaptedCase.LoadBase(Case(id).GetProperty("base").GetString()!);
            Peft = new PeftModel(Model);
            foreach (var name in Case(id).GetProperty("adapters").EnumerateArray().Select(name => name.GetString()!).Where(name => name != except))
                Peft.LoadAdapter(Path.Combine(folder, "adapters", name), name);
        }

        public Expected Expected { get; }

        public PretrainedModel Model { get; }

        public PeftModel Peft { get; }

        public Tensor Logits() => AdaptedCase.Logits(Model, Expected);

        public void Dispose()
        {
            Peft.Dispose();
            Model.Dispose();
            Expected.Dispose();
            scope.Dispose();
        }
    }
}
