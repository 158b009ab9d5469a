using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>What names that choose nothing are told, for all options that name modules.</summary>
public sealed class TargetErrorTests
{
    [Theory]
    [InlineData("q_proj", "regular expression", "[\"q_proj\"]", "2 modules")]
    [InlineData("Q_PROJ", "case-sensitive", "'q_proj'")]
    [InlineData("mlp", "cannot be adapted itself", "gate_proj")]
    [InlineData("q_prj", "Nearest: q_proj (2 modules)")]
    public void A_string_that_matches_nothing_is_told_why(string pattern, params string[] parts)
    {
        using var model = SmallModel.Create();
        var message = Should.Throw<TargetNotFoundException>(() => model.ApplyLora(targets: pattern)).Message;
        foreach (var part in parts) message.ShouldContain(part);
        if (pattern == "q_proj") message.ShouldNotContain("Nearest");
    }

    [Theory]
    [InlineData("Q_Proj", "case-sensitive", "'q_proj'")]
    [InlineData("self_attn.Q_proj", "case-sensitive")]
    [InlineData("mlp", "cannot be adapted itself", "gate_proj, up_proj, down_proj")]
    [InlineData("layers.0", "cannot be adapted itself")]
    [InlineData("q_prj", "Nearest: q_proj")]
    public void A_name_that_matches_nothing_is_told_why(string name, params string[] parts)
    {
        using var model = SmallModel.Create();
        var message = Should.Throw<TargetNotFoundException>(() => model.ApplyLora(targets: new[] { "v_proj", name })).Message;
        foreach (var part in parts) message.ShouldContain(part);
        PeftModel.Of(model).ShouldBeNull();
    }

    [Fact]
    public void A_kind_of_module_that_the_values_of_options_exclude_is_refused_by_Core()
    {
        using var model = nn.Sequential(nn.Conv1d(4, 4, 1), nn.Embedding(4, 4), nn.Conv1d(4, 4, 1, groups: 2));
        Refused(new LoraOptions { TargetModules = ["0"], Kasa = new() }).ShouldStartWith("0 (Conv1d, 4×4) is a convolution, which LORA with Kasa cannot adapt: it adapts linear modules.");
        Refused(new LoraOptions { TargetModules = ["2"], UseDora = true }).ShouldStartWith("2 (Conv1d, 4×2) is a grouped convolution, which LORA with UseDora cannot adapt: it adapts linear modules, embeddings and convolutions.");
        Refused(new LoraOptions { TargetModules = ["2"], Initialization = LoraInitialization.Pissa }).ShouldContain("LORA with Initialization 'pissa'");
        Refused(new BottleneckOptions { TargetModules = ["1"], IsParallel = true, NormBefore = false }).ShouldStartWith("1 (Embedding, 4×4) is an embedding, which BOTTLENECK with IsParallel cannot adapt: it adapts linear modules.");
        Refused(new Ia3Options { TargetModules = ["1"], FeedForwardModules = ["1"] }).ShouldStartWith("1 (Embedding, 4×4) is an embedding, which IA3 with FeedForwardModules cannot adapt: it adapts linear modules, convolutions and grouped convolutions.");
        model.ApplyAdapter(new Ia3Options { TargetModules = ["0", "1"], FeedForwardModules = ["0"] }).Active.ShouldBe(["default"]);

        string Refused(AdapterOptions options) => Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(options)).Message;
    }

    [Fact]
    public void Null_in_place_of_names_is_a_mistake_of_the_program()
    {
        using var model = SmallModel.Create();
        Should.Throw<ArgumentNullException>(() => model.ApplyLora(targets: (string)null!)).Message.ShouldContain("omit the option");
        Should.Throw<ArgumentNullException>(() => model.ApplyLora(targets: (string[])null!)).Message.ShouldContain("omit the option");
        model.ApplyLora(targets: null).Active.ShouldBe(["default"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    public void Empty_names_are_refused(string empty)
    {
        using var model = SmallModel.Create();
        Should.Throw<TargetNotFoundException>(() => model.ApplyLora(targets: empty)).Message.ShouldContain("A name is empty");
        Should.Throw<TargetNotFoundException>(() => model.ApplyLora(targets: new[] { "q_proj", empty })).Message.ShouldContain("A name is empty");
        Should.Throw<PeftException>(() => model.ApplyAdapter(new LoraOptions { ModulesToSave = [empty] })).Message.ShouldContain("empty");
        Should.Throw<PeftException>(() => model.ApplyPartial(empty)).Message.ShouldContain("empty");
    }

    [Fact]
    public void Null_in_a_list_is_refused()
    {
        Should.Throw<AdapterOptionsException>(() => new LoraOptions { TargetModules = ["q_proj", null!] }).Message.ShouldContain("Name 1 of the modules [q_proj, null] is null");
        Should.Throw<PeftException>(() => AdapterConfig.Parse("""{"peft_type": "LORA", "target_modules": ["q_proj", null]}""")).Message.ShouldContain("null");
    }

    [Fact]
    public void A_list_without_names_is_refused()
    {
        using var model = SmallModel.Create();
        Should.Throw<AdapterOptionsException>(() => model.ApplyLora(targets: Array.Empty<string>())).Message.ShouldContain("empty list");
        Should.Throw<AdapterOptionsException>(() => model.ApplyPartial()).Message.ShouldContain("at least one");
    }

    [Theory]
    [InlineData("norm", "model.norm")]
    [InlineData("proj", null)]
    [InlineData("lm_head", "lm_head")]
    public void Modules_to_save_are_named_as_targets_are(string name, string? saved)
    {
        using var model = SmallModel.Create();
        var options = new LoraOptions { ModulesToSave = [name] };
        if (saved is null)
        {
            Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(options)).Message.ShouldContain(name);
            return;
        }
        using var folder = new TemporaryFolder();
        using var peft = model.ApplyAdapter(options).Trained();
        peft.Find("default").Tensors.Select(pair => pair.Key).Count(key => key.EndsWith($"{name}.weight", StringComparison.Ordinal)).ShouldBe(1);
        ((LoraOptions)peft.Find("default").Options).ModulesToSave.ShouldBe([saved]);
        peft.SaveAdapter(folder);
        using var other = SmallModel.Create();
        other.ApplyAdapter(folder).Bits().ShouldBeBits(peft.Bits());
    }

    // Hugging Face PEFT takes whatever ends in the letters: "norm" means five modules of this model.
    [Fact]
    public void A_file_means_by_names_what_hugging_face_means()
    {
        using var folder = new TemporaryFolder();
        using var model = SmallModel.Create();
        string[] all = [.. new PeftModel(model).Tree.ModulePaths.Where(path => path.EndsWith("norm", StringComparison.Ordinal))];
        all.Length.ShouldBe(5);
        var peft = PeftModel.Of(model)!.Add("default", new LoraOptions { ModulesToSave = all }).Trained();
        peft.SaveAdapter(folder);
        var file = folder[AdapterConfig.FileName];
        File.WriteAllText(file, AdapterConfig.Write(((LoraOptions)AdapterConfig.Read(folder)) with { ModulesToSave = ["norm"] }));
        using var other = SmallModel.Create();
        other.ApplyAdapter(folder).Bits().ShouldBeBits(peft.Bits());
    }

    [Fact]
    public void An_adapter_from_a_folder_is_frozen_until_it_is_asked_for_and_the_trainer_says_so()
    {
        using var folder = new TemporaryFolder();
        using (var model = SmallModel.Create()) model.ApplyLora().SaveAdapter(folder);
        using var base1 = SmallModel.Create();
        using var peft = base1.ApplyAdapter(folder);
        var trainer = new Trainer(peft, TrainingDataset.From(2, rows => SmallModel.Batch(rows.Count)), new TrainingOptions { MaxSteps = 1 });
        var message = Should.Throw<TrainingException>(() => trainer.Train()).Message;
        message.ShouldContain("trainable: true");
        message.ShouldContain("Unfreeze(\"default\")");
        peft.Unfreeze("default");
        trainer.Train().Steps.ShouldBe(1);
        peft.LoadAdapter(folder.Path, "other", trainable: true).Activate("other");
        peft.Trainables.ShouldNotBeEmpty();
        peft.Activate();
        Should.Throw<TrainingException>(() => trainer.Train()).Message.ShouldContain("No adapter is active");
    }
}
