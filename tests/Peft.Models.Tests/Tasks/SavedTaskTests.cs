using static Peft.Models.Tests.Tasks.TaskModels;
using static TorchSharp.torch;

namespace Peft.Models.Tests.Tasks;

/// <summary>Labels, problem and pooling are saved beside an adapter, and found by a program that loads it onto the plain base.</summary>
public class SavedTaskTests
{
    private static readonly string[] Texts = ["the noble heart", "night", "speak, prince!"];

    private static void InFolders(Action<string, string> use) => InFile("adapter", "", folder =>
    {
        var path = Path.Combine(Path.GetDirectoryName(folder)!, "base");
        using (var model = MaskedLM.FromConfig(Bert, 5)) model.SavePretrained(path);
        use(path, folder);
    });

    private static Dictionary<string, float[]> State(nn.Module model) => model.named_parameters().ToDictionary(each => each.name, each => each.parameter.detach().data<float>().ToArray());

    private static IReadOnlyList<double> Scores(SequenceClassifier model) => [.. model.Classify(Texts, Pieces).SelectMany(each => model.Labels.Select(label => each.Scores.First(score => score.Label == label).Probability))];

    [Theory]
    [InlineData(null, ProblemType.SingleLabel)]
    [InlineData(Pooling.Mean, ProblemType.SingleLabel)]
    [InlineData(Pooling.Last, ProblemType.MultiLabel)]
    public void Another_program_needs_only_the_two_folders(Pooling? pooling, ProblemType problem) => InFolders((path, folder) =>
    {
        IReadOnlyList<double> expected;
        var labels = new LabelSet(problem, ["ham", "spam", "ünd"]);
        using (var model = SequenceClassifier.FromPretrained(path, labels, pooling))
        using (var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = "all-linear" }))
        {
            peft.Shake(0.1, seed: 1);
            expected = Scores(model);
            peft.SaveAdapter(folder);
        }
        Directory.GetFiles(folder).Select(Path.GetFileName).ShouldBe(["adapter_config.json", "adapter_model.safetensors", "task.json"], ignoreOrder: true);
        TaskDescription.Read(folder)!.Labels.ShouldBe(labels);

        using var other = SequenceClassifier.FromPretrained(path);   // two classes, read by the first token
        var before = State(other);
        var loaded = other.ApplyAdapter(folder);
        other.Labels.ShouldBe(labels);
        other.Labels.Problem.ShouldBe(problem);
        other.LabelCount.ShouldBe(3);
        other.Pooling.ShouldBe(pooling ?? Pooling.Cls);
        Scores(other).Zip(expected, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-6);

        loaded.SaveAdapter(folder + "2");
        File.ReadAllText(Path.Combine(folder + "2", "task.json")).ShouldBe(File.ReadAllText(Path.Combine(folder, "task.json")));
        loaded.Unload();   // the model is as it was
        var after = State(other);
        after.Keys.ShouldBe(before.Keys, ignoreOrder: true);
        foreach (var (name, values) in before) after[name].ShouldBe(values, name);
        other.LabelCount.ShouldBe(2);
        other.Pooling.ShouldBe(Pooling.Cls);
        other.Config.Has("classifier_pooling").ShouldBeFalse();

        other.ApplyAdapter(folder).MergeAndUnload();
        other.Labels.ShouldBe(labels);
        Scores(other).Zip(expected, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-5);
        other.SavePretrained(folder + "3");
        using var merged = SequenceClassifier.FromPretrained(folder + "3");
        Scores(merged).Zip(expected, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-5);
    });

    [Fact]
    public void Each_adapter_has_labels_of_its_own() => InFolders((path, folder) =>
    {
        using var model = SequenceClassifier.FromPretrained(path);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2 }, "a");
        peft.Find("a").Options.Task!.Labels.ShouldBe(["LABEL_0", "LABEL_1"]);
        foreach (var (name, labels) in new[] { ("mail", new[] { "ham", "spam" }), ("mood", ["sad", "glad"]) })
            peft.Add(name, new LoraOptions { Rank = 2, Task = new() { Labels = labels } });
        peft.Activate("mail");
        model.Labels.ShouldBe(["ham", "spam"]);
        peft.Activate("mood");
        model.Labels.ShouldBe(["sad", "glad"]);
        using (peft.WithoutAdapters()) model.Labels.ShouldBe(["LABEL_0", "LABEL_1"]);
        peft.SaveAdapter(folder);
        TaskDescription.Read(Path.Combine(folder, "mood"))!.Labels.ShouldBe(["sad", "glad"]);
        Should.Throw<AdapterMismatchException>(() => peft.Add("three", new LoraOptions { Task = new() { Labels = ["x", "y", "z"] } })).Message.ShouldContain("trained for 3 classes, but this SequenceClassifier has 2");
        Should.Throw<AdapterMismatchException>(() => peft.Add("mean", new LoraOptions { Task = new() { Labels = ["x", "y"], Pooling = "mean" } })).Message.ShouldContain("pooling 'mean'");
        peft.Adapters.Keys.ShouldBe(["a", "mail", "mood"], ignoreOrder: true);
        peft.MergeAndUnload();
        model.Config.Labels.ShouldBe(["sad", "glad"]);
    });

    [Fact]
    public void What_cannot_fit_is_refused_and_changes_nothing() => InFolders((path, folder) =>
    {
        using var scope = NewDisposeScope();
        var task = new TaskDescription { Labels = ["ham", "spam", "eggs"], Pooling = "mean" };
        using var named = SequenceClassifier.FromPretrained(path, new LabelSet("spam", "ham", "eggs"));
        Should.Throw<AdapterMismatchException>(() => named.ApplyAdapter(new LoraOptions { Task = task })).Message.ShouldContain("trained for the classes ham, spam, eggs, but this SequenceClassifier was loaded for spam, ham, eggs");
        using var chosen = SequenceClassifier.FromPretrained(path, pooling: Pooling.Cls);
        Should.Throw<AdapterMismatchException>(() => chosen.ApplyAdapter(new LoraOptions { Task = task })).Message.ShouldContain("load the base with Pooling.Mean");

        using var model = SequenceClassifier.FromPretrained(path);
        var before = State(model);
        Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(new LoraOptions { Task = task, TargetModules = ["nothing"] }));
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new LoraOptions { Task = task, LayerReplication = [new(0, 9)] }));
        var after = State(model);
        after.Keys.ShouldBe(before.Keys, ignoreOrder: true);
        foreach (var (name, values) in before) after[name].ShouldBe(values, name);

        Directory.CreateDirectory(folder);
        foreach (var (text, expected) in new[] { ("{}", "id2label"), ("{\"id2label\": {\"0\": \"a\", \"2\": \"b\"}}", "none with the id 1"), ("{\"id2label\": {\"0\": 1}}", "cannot be read"), ("[", "cannot be read"), ("{\"id2label\": {\"0\": \"a\", \"1\": \"a\"}}", "the same name twice"), ("{\"id2label\": {\"0\": \"\"}}", "an empty class name"), ("{\"id2label\": {}}", "has no class") })
        {
            File.WriteAllText(Path.Combine(folder, "task.json"), text);
            Should.Throw<Checkpoints.CheckpointException>(() => TaskDescription.Read(folder)).Message.ShouldContain(expected);
        }
    });

    [Fact]
    public void An_adapter_without_a_description_takes_the_models() => InFolders((path, folder) =>
    {
        using (var model = SequenceClassifier.FromPretrained(path, new LabelSet("ham", "spam")))
        using (var peft = model.ApplyLora(rank: 2))
            peft.SaveAdapter(folder);
        File.Delete(Path.Combine(folder, "task.json"));   // as Hugging Face PEFT writes it
        using (var model = SequenceClassifier.FromPretrained(path, new LabelSet("ham", "spam")))
        using (var peft = model.ApplyAdapter(folder))
            peft.SaveAdapter(folder);
        TaskDescription.Read(folder)!.Labels.ShouldBe(["ham", "spam"]);
        using (var model = MaskedLM.FromPretrained(path))
        using (var peft = model.ApplyLora(rank: 2))
            peft.SaveAdapter(folder);
        File.Exists(Path.Combine(folder, "task.json")).ShouldBeFalse();   // that was of another adapter
    });
}
