using Peft.Core.Tests.FineTuning;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Lifecycle;

/// <summary>What a model with adapters tells about itself.</summary>
public sealed class ReportTests : UserModelTests
{
    private const int BaseParameters = (6 * 8 + 8) + 4 * (8 * 8 + 8) + (8 * 3 + 3);

    [Fact]
    public void Parameters_of_all_adapters_count_and_those_that_are_trained()
    {
        using var peft = Model.ApplyLora(rank: 2, targets: new[] { "enter" });
        peft.CountParameters().ShouldBe(new ParameterCount(28, BaseParameters + 28));
        peft.Add("second", new LoraOptions { Rank = 1, TargetModules = ["leave"] });
        peft.CountParameters().ShouldBe(new ParameterCount(28, BaseParameters + 28 + 11));
        peft.Activate("default", "second");
        peft.CountParameters().ShouldBe(new ParameterCount(39, BaseParameters + 39));
        peft.Freeze("default");
        peft.CountParameters().ShouldBe(new ParameterCount(11, BaseParameters + 39));
    }

    [Fact]
    public void A_tied_weight_counts_once()
    {
        using var tower = Tower.Create();
        var own = tower.named_parameters().Where(pair => pair.name != "head.weight").Sum(pair => pair.parameter.numel());
        using var peft = tower.ApplyPartial("norm");
        peft.CountParameters().ShouldBe(new ParameterCount(2 * Tower.Size, own + 2 * Tower.Size));
    }

    [Fact]
    public void The_count_is_printed_as_Hugging_Face_prints_it()
    {
        using var peft = Model.ApplyLora(rank: 2, targets: new[] { "enter" });
        using var output = new StringWriter();
        peft.PrintTrainableParameters(output);
        output.ToString().Trim().ShouldBe("trainable: 28 || all: 399 || 7.0175%");
        new ParameterCount(1_234_567, 2_000_000_000).ToString().ShouldBe("trainable: 1,234,567 || all: 2,000,000,000 || 0.0617%");
        new ParameterCount(0, 0).ToString().ShouldBe("trainable: 0 || all: 0 || 0%");
    }

    [Fact]
    public void The_status_tells_of_each_module_and_adapter_what_is_in_effect()
    {
        using var peft = Model.ApplyLora(rank: 2, targets: new[] { "enter", "leave" });
        peft.Add("second", new LoraOptions { Rank = 1, TargetModules = ["leave"] });
        peft.Status().ShouldBe([
            new LayerStatus("enter", "default", "LORA", IsActive: true, IsMerged: false, IsTrainable: true, Reached: false, Parameters: 28),
            new LayerStatus("leave", "default", "LORA", IsActive: true, IsMerged: false, IsTrainable: true, Reached: false, Parameters: 22),
            new LayerStatus("leave", "second", "LORA", IsActive: false, IsMerged: false, IsTrainable: false, Reached: false, Parameters: 11),
        ], ignoreOrder: true);
        Model.call(randn(2, 6));
        peft.Status().ShouldAllBe(row => row.Reached);
        peft.Merge();
        peft.Status().Select(row => (row.Adapter, row.IsMerged)).ShouldBe([("default", true), ("default", true), ("second", false)], ignoreOrder: true);
        peft.Unmerge();
        peft.Status().ShouldAllBe(row => !row.IsMerged);
        peft.Activate("second");
        peft.Status().Where(row => row.IsActive).ShouldBe(peft.Status().Where(row => row.IsTrainable));
        peft.Status().Single(row => row.IsActive).Adapter.ShouldBe("second");
    }

    [Fact]
    public void The_names_of_trained_tensors_are_the_keys_of_the_file_with_the_adapter_where_several_are_active()
    {
        using var peft = Model.ApplyLora(rank: 2, targets: new[] { "enter" });
        string[] keys = ["base_model.model.enter.lora_A.weight", "base_model.model.enter.lora_B.weight"];
        peft.Trainables.Select(tensor => tensor.Name).ShouldBe(keys);
        peft.Add("second", new LoraOptions { Rank = 1, TargetModules = ["enter"] });
        peft.Activate("second", "default");
        peft.Trainables.Select(tensor => tensor.Name).ShouldBe([.. keys.Select(key => "second/" + key), .. keys.Select(key => "default/" + key)]);
    }

    [Fact]
    public void A_run_that_would_train_nothing_says_why()
    {
        using var peft = new PeftModel(Model);
        string Refusal() => Should.Throw<TrainingException>(() => new Trainer(peft, TrainingDataset.From(randn(2, 6)), new() { Epochs = 1 }) { Loss = batch => Model.call(batch.InputIds).sum() }.Train()).Message;
        Refusal().ShouldContain("The model has no adapter: add one.");
        peft.Add("first", new LoraOptions { TargetModules = ["enter"] });
        peft.Add("second", new LoraOptions { TargetModules = ["leave"] });
        peft.Freeze("first");
        Refusal().ShouldContain("The active adapter 'first' is frozen, as adapters from a folder are by default: load with trainable: true, or call Unfreeze(\"first\").");
        peft.Freeze("second");
        peft.Activate("first", "second");
        Refusal().ShouldContain("The active adapters 'first', 'second' are frozen");
        peft.Activate();
        Refusal().ShouldContain("No adapter is active: activate one of first, second.");
    }
}
