using Peft.Checkpoints;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Lifecycle;

/// <summary>A change to a model happens whole or not at all, and what cannot be done is refused by name.</summary>
public sealed class WholeChangesTests : UserModelTests
{
    [Fact]
    public void A_swap_that_does_not_fit_leaves_the_adapter_as_it_was()
    {
        using var folder = new TemporaryFolder();
        using var peft = Model.ApplyLora(rank: 2).Shake();
        var before = (Logits: Output(), Bits: peft.Bits(), Options: peft.Find("default").Options);
        peft.SaveAdapter(folder);
        using (var tensors = AdapterCheckpoint.OpenTensors(folder))
        {
            // All tensors fit but the last.
            var all = tensors.Tensors.Keys.Order(StringComparer.Ordinal).ToDictionary(key => key, key => tensors.Read(key));
            all[all.Keys.Last()] = zeros(1, 1);
            SafetensorsWriter.Write(folder[AdapterCheckpoint.FileName], all);
        }
        Should.Throw<AdapterMismatchException>(() => peft.HotSwap("default", folder)).Message.ShouldContain("another shape");
        Should.Throw<AdapterMismatchException>(() => peft.LoadAdapter(folder, "second"));
        Should.Throw<CheckpointException>(() => peft.HotSwap("default", folder["nothing"]));
        Should.Throw<AdapterNotFoundException>(() => peft.HotSwap("nobody", folder));
        peft.Adapters.Keys.ShouldBe(["default"]);
        peft.Bits().ShouldBeBits(before.Bits);
        peft.Find("default").Options.ShouldBe(before.Options);
        Output().Difference(before.Logits).ShouldBe(0);
    }

    [Fact]
    public void A_swapped_adapter_stays_active_and_is_trained_or_frozen_as_before()
    {
        using var folder = new TemporaryFolder();
        using var peft = Model.ApplyLora(rank: 2).Shake();
        peft.SaveAdapter(folder);
        var saved = Output();
        peft.Shake(seed: 9);
        peft.HotSwap("default", folder);
        Output().Difference(saved).ShouldBe(0);
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.requires_grad);
        peft.Freeze("default");
        peft.HotSwap("default", folder);
        peft.Trainables.ShouldBeEmpty();
        peft.Find("default").Tensors.ShouldAllBe(pair => !pair.Tensor.Value.requires_grad);
    }

    [Fact]
    public void An_adapter_that_cannot_enter_one_of_its_modules_enters_none()
    {
        using var own = new Holder();
        var x = randn(2, 4);
        var before = own.call(x);
        using (var peft = new PeftModel(own))
        {
            Should.Throw<PeftException>(() => peft.Add("half", new LoraOptions { Rank = 1, TargetModules = ["first"], TargetParameters = ["store.weight"] })).Message.ShouldContain("never called");
            peft.Adapters.ShouldBeEmpty();
            peft.Status().ShouldBeEmpty();
            peft.Add("whole", new LoraOptions { Rank = 1, TargetModules = ["first"] });
            peft.Status().Count.ShouldBe(1);
        }
        own.call(x).Difference(before).ShouldBe(0);
        own.parameters().ShouldAllBe(parameter => parameter.requires_grad);
    }

    [Fact]
    public void A_merged_model_is_not_trained_and_a_model_in_training_is_not_changed()
    {
        using var folder = new TemporaryFolder();
        using var peft = Model.ApplyLora(rank: 2);
        peft.Add("other", new LoraOptions { Rank = 1 });
        peft.SaveAdapter(folder);
        peft.Merge();
        Should.Throw<PeftException>(() => Train()).Message.ShouldContain("call Unmerge() first");
        peft.Unmerge();
        var refused = 0;
        Train(new Callback(() =>
        {
            foreach (var change in new Action[]
                     {
                         () => peft.Activate("other"), () => peft.Merge(), () => peft.MergeAndUnload(), () => peft.Unload(), peft.Dispose, () => peft.Delete("default"), () => peft.HotSwap("default", folder),
                         () => peft.Freeze("default"), () => peft.Unfreeze("default"),
                     })
            {
                Should.Throw<PeftException>(change).Message.ShouldContain("is not possible while the model is being trained");
                refused++;
            }
            using (peft.WithAdapters("other")) Output();
            using (peft.WithoutAdapters()) Output();
            peft.LoadAdapter(folder, "third");
            peft.Delete("third");
        }));
        refused.ShouldBe(9);
        peft.Activate("other");

        void Train(params ITrainerCallback[] callbacks)
            => new Trainer(peft, TrainingDataset.From(Input), new TrainingOptions { MaxSteps = 1 }) { Callbacks = callbacks, Loss = batch => Model.call(batch.InputIds).square().mean() }.Train();
    }

    [Fact]
    public void What_was_unloaded_says_so()
    {
        using var folder = new TemporaryFolder();
        var peft = Model.ApplyLora(rank: 2);
        using var late = peft.Rows(PeftModel.Base);
        peft.Unload();
        foreach (var use in new Action[]
                 {
                     () => peft.SaveAdapter(folder), () => peft.Add("other", new LoraOptions()), () => peft.Activate("default"), () => peft.Activate(), () => peft.Merge(), () => peft.Unmerge(), () => peft.MergeAndUnload(),
                     () => peft.Delete("default"), () => peft.Find("default"), () => peft.Rename("default", "other"), () => peft.Rows(PeftModel.Base), () => peft.WithAdapters("default"),
                     () => peft.WithoutAdapters(), () => peft.Freeze("default"), () => peft.ForInference(), () => peft.Tasks(0), () => peft.LoadAdapter(folder), () => peft.HotSwap("default", folder),
                 })
            Should.Throw<PeftException>(use).Message.ShouldContain("unloaded");
        peft.Adapters.ShouldBeEmpty();
        peft.Unload().ShouldBe(Model);
        peft.Dispose();
        Output();
    }

    private sealed class Callback(Action act) : ITrainerCallback
    {
        public void OnStepEnd(TrainingProgress progress, TrainerControl control) => act();
    }

    private sealed class Store : nn.Module
    {
        public readonly Parameter weight = new(zeros(4, 4));

        public Store() : base(nameof(Store)) => RegisterComponents();
    }

    private sealed class Holder : nn.Module<Tensor, Tensor>
    {
        private readonly Linear first = nn.Linear(4, 4);
        private readonly Store store = new();

        public Holder() : base(nameof(Holder)) => RegisterComponents();

        public override Tensor forward(Tensor input) => first.call(input) + input.matmul(store.weight);
    }
}
