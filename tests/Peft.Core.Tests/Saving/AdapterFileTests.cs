using Peft.Checkpoints;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Saving;

/// <summary>The two files of an adapter: what is written, what is read, and what is said where they do not fit.</summary>
public sealed class AdapterFileTests : UserModelTests
{
    private static readonly LoraOptions Options = new() { Rank = 2, TargetModules = ["enter", "leave"] };

    [Fact]
    public void The_configuration_says_inference_and_keeps_the_version_that_it_was_read_with()
    {
        using var folder = new TemporaryFolder();
        var config = folder[AdapterConfig.FileName];
        using (var peft = Model.ApplyAdapter(Options with { InferenceMode = false })) peft.SaveAdapter(folder);
        AdapterConfig.Read(folder).InferenceMode.ShouldBeTrue();
        AdapterConfig.Read(folder).PeftVersion.ShouldBe(AdapterConfig.FormatVersion);
        File.WriteAllText(config, File.ReadAllText(config).Replace(AdapterConfig.FormatVersion, "0.12.3", StringComparison.Ordinal));
        using var loaded = Model.ApplyAdapter(folder);
        loaded.SaveAdapter(folder["again"]);
        AdapterConfig.Read(folder["again"]).PeftVersion.ShouldBe("0.12.3");
    }

    [Fact]
    public void The_configuration_names_the_task_and_the_targets_of_the_model()
    {
        using var folder = new TemporaryFolder();
        using var model = CausalLM.FromConfig(ModelConfig.Parse("""
            {"model_type":"llama","vocab_size":40,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":1,"num_attention_heads":2}
            """), 7);
        model.ApplyLora(rank: 2).SaveAdapter(folder);
        AdapterConfig.Read(folder).TaskType.ShouldBe("CAUSAL_LM");
        ((LoraOptions)AdapterConfig.Read(folder)).TargetModules!.Names.ShouldBe(["q_proj", "v_proj"]);
    }

    [Fact]
    public void A_save_takes_the_task_of_an_earlier_one_away_and_leaves_other_files()
    {
        using var folder = new TemporaryFolder();
        using var peft = Model.ApplyAdapter(Options);
        var tensors = peft.StateOf(peft.Find("default"));
        foreach (var save in new Action[] { () => peft.SaveAdapter(folder), () => AdapterCheckpoint.Write(folder, Options, tensors) })
        {
            AdapterCheckpoint.Write(folder, Options with { Task = new TaskDescription { Labels = ["a", "b"] } }, tensors);
            folder.Write("notes.txt", "mine");
            folder.FileNames.ShouldBe([AdapterConfig.FileName, AdapterCheckpoint.FileName, "notes.txt", TaskDescription.FileName]);
            save();
            folder.FileNames.ShouldBe([AdapterConfig.FileName, AdapterCheckpoint.FileName, "notes.txt"]);
        }
    }

    [Fact]
    public void Tensors_are_opened_from_the_newer_format_and_from_the_only_subfolder()
    {
        using var folder = new TemporaryFolder();
        using var peft = Model.ApplyAdapter(Options, "math");
        peft.SaveAdapter(folder);
        using (var file = AdapterCheckpoint.OpenTensors(folder))
        {
            file.Tensors.Keys.ShouldBe(peft.StateOf(peft.Find("math")).Keys, ignoreOrder: true);
            TorchSave.Write(folder["math/adapter_model.bin"], [KeyValuePair.Create("older", ones(1))]);
        }
        using (var file = AdapterCheckpoint.OpenTensors(folder["math"])) file.ShouldBeOfType<SafetensorsFile>();
        File.Delete(folder[$"math/{AdapterCheckpoint.FileName}"]);
        using (var file = AdapterCheckpoint.OpenTensors(folder["math"])) file.Tensors.Keys.ShouldBe(["older"]);
        File.Delete(folder["math/adapter_model.bin"]);
        Should.Throw<CheckpointException>(() => AdapterCheckpoint.OpenTensors(folder["math"])).Message.ShouldContain(AdapterCheckpoint.FileName);
    }

    [Fact]
    public void What_does_not_fit_is_counted_and_the_first_five_of_each_kind_named()
    {
        using var folder = new TemporaryFolder();
        using var peft = Model.ApplyAdapter(Options);
        var state = peft.StateOf(peft.Find("default"));
        string Refusal(Dictionary<string, Tensor> tensors)
        {
            AdapterCheckpoint.Write(folder, Options, tensors);
            return Should.Throw<AdapterMismatchException>(() => peft.LoadAdapter(folder, "other")).Message;
        }

        const string A = "base_model.model.enter.lora_A.weight", B = "base_model.model.leave.lora_B.weight";
        var changed = state.Where(pair => pair.Key != A).ToDictionary();
        Refusal(changed).ShouldContain($"does not fit this UserModel: 1 missing ({A}). The base model");
        changed = state.ToDictionary();
        changed[B] = zeros(5, 2);
        Refusal(changed).ShouldContain($"does not fit this UserModel: 1 of another shape ({B} is [5, 2] in the file and [3, 2] in the model). The base model");
        changed = state.ToDictionary();
        for (var i = 1; i <= 5; i++) changed[$"more.{i}"] = ones(1);
        Refusal(changed).ShouldContain("does not fit this UserModel: 5 unexpected (more.1, more.2, more.3, more.4, more.5). The base model");
        changed["more.6"] = ones(1);
        changed.Remove(A);
        Refusal(changed).ShouldContain($"does not fit this UserModel: 1 missing ({A}); 6 unexpected (more.1, more.2, more.3, more.4, more.5, …). The base model");
        peft.Adapters.Keys.ShouldBe(["default"]);
    }

    [Theory]
    [InlineData(3, "a00, a01, a02.")]
    [InlineData(10, "a08, a09.")]
    [InlineData(11, "a08, a09, ….")]
    [InlineData(14, "a08, a09, ….")]
    public void Adapters_in_subfolders_are_named_in_order_and_at_most_ten(int count, string end)
    {
        using var folder = new TemporaryFolder();
        for (var i = count - 1; i >= 0; i--) folder.Write($"a{i:D2}/{AdapterConfig.FileName}", "{}");
        var message = Should.Throw<CheckpointException>(() => SavedAdapter.Open(folder)).Message;
        message.ShouldContain($"{count} adapters in subfolders");
        message.Replace(folder["a"], "a", StringComparison.Ordinal).ShouldEndWith(end);
    }

    [Fact]
    public void A_swap_reads_a_file_as_leniently_as_a_load_and_logs_the_same_warnings()
    {
        using var folder = new TemporaryFolder();
        using (var saved = Model.ApplyAdapter(Options)) saved.SaveAdapter(folder);
        var config = folder[AdapterConfig.FileName];
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"enter\"", "\"enter\", \"nowhere\"", StringComparison.Ordinal));
        using var peft = Model.ApplyAdapter(Options);
        var (swapped, loaded) = (new ListLogger(), new ListLogger());
        peft.HotSwap("default", folder, swapped);
        peft.LoadAdapter(folder, "other", logger: loaded);
        swapped.Lines.ShouldHaveSingleItem().ShouldContain("TargetModules [nowhere] matches no module");
        loaded.Lines.ShouldHaveSingleItem().ShouldBe(swapped.Lines[0].Replace("'default'", "'other'", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_adapter_that_is_read_while_another_is_saved_over_it_is_one_of_the_two()
    {
        using var folder = new TemporaryFolder();
        var states = new[] { 1, 2 }.Select(number => (Options: Options with { Alpha = number }, Tensors: new Dictionary<string, Tensor> { ["a"] = full(1000, (float)number), ["b"] = full(1000, (float)number) })).ToArray();
        void Save(int i) => AdapterCheckpoint.Write(folder, states[i % 2].Options, states[i % 2].Tensors);
        Save(0);
        using var enough = new CancellationTokenSource();
        var saves = Task.Run(() =>
        {
            for (var i = 1; !enough.IsCancellationRequested; i++) Save(i);
        });
        var seen = new HashSet<double>();
        for (var i = 0; (i < 50 || seen.Count < 2) && !saves.IsCompleted; i++)
        {
            using var scope = NewDisposeScope();
            using var saved = SavedAdapter.Open(folder);
            var alpha = ((LoraOptions)saved.Options).Alpha;
            foreach (var key in new[] { "a", "b" }) saved.Tensors.Read(key).Values<float>().ShouldAllBe(value => value == alpha);
            seen.Add(alpha);
        }
        await enough.CancelAsync();
        await saves;
        seen.Count.ShouldBe(2);
    }
}
