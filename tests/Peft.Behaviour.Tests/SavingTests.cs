using Peft.Checkpoints;
using static Peft.Behaviour.Tests.SmallModel;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

public sealed class SavingTests : BehaviourTests
{
    [Theory, MemberData(nameof(EveryMethod))]
    public void A_saved_adapter_comes_back_bit_for_bit(string method)
    {
        using var model = Create();
        using var peft = model.Adapt(method).Trained();
        peft.SaveAdapter(Folder);

        using var other = Create();
        using var loaded = new PeftModel(other);
        Sample.Of(method).Prepare(loaded);
        loaded.LoadAdapter(Folder, trainable: true).Activate(PeftModel.DefaultName);
        loaded.SavedBits().ShouldBeBits(peft.SavedBits());   // that the rest comes back too shows in the logits
        other.Logits().Difference(model.Logits()).ShouldBe(0);

        loaded.SaveAdapter(Path.Combine(Folder, "again"));
        foreach (var file in new[] { AdapterCheckpoint.FileName, AdapterConfig.FileName })
            File.ReadAllBytes(Path.Combine(Folder, "again", file)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(Folder, file))).ShouldBeTrue(file);
    }

    [Theory, MemberData(nameof(EveryMethod))]
    public void A_file_that_does_not_fit_is_refused_and_changes_nothing(string method)
    {
        using var model = Create();
        using var peft = model.Adapt(method).Trained();
        var state = peft.StateOf(peft.Find(PeftModel.DefaultName));
        var (options, bits, output) = (peft.Find(PeftModel.DefaultName).Options, peft.Bits(), model.Logits());
        var key = state.Keys.Order(StringComparer.Ordinal).First();
        var longer = new Dictionary<string, Tensor>(state) { [key] = zeros([.. state[key].shape, 3]) };
        var shorter = state.Where(pair => pair.Key != key).ToDictionary(pair => pair.Key, pair => pair.Value);
        // What Hugging Face PEFT leaves out of X-LoRA's files is a warning.
        foreach (var wrong in method == "XLORA" ? new[] { longer } : [longer, shorter])
        {
            AdapterCheckpoint.Write(Folder, options, wrong);
            Should.Throw<AdapterMismatchException>(() => peft.LoadAdapter(Folder, "wrong")).Message.ShouldContain(key);
        }
        Should.Throw<AdapterExistsException>(() => peft.LoadAdapter(Folder));
        Should.Throw<AdapterExistsException>(() => model.ApplyAdapter(Sample.Of(method).Options)).Message.ShouldContain(PeftModel.DefaultName);
        peft.Adapters.ContainsKey("wrong").ShouldBeFalse();
        peft.Bits().ShouldBeBits(bits);
        model.Logits().Difference(output).ShouldBe(0);
    }
}
