using static TorchSharp.torch;

namespace Peft.Core.Tests.Saving;

public sealed class OlderFormatTests : IDisposable
{
    private readonly TorchSharp.DisposeScope scope = NewDisposeScope();
    private readonly UserModel model = new();
    private readonly Tensor x;

    public OlderFormatTests()
    {
        manual_seed(3);
        x = randn(4, 6);
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void An_adapter_of_PyTorchs_older_format_is_loaded_and_swapped_in_alike()
    {
        using var folder = new TemporaryFolder();
        using var peft = model.ApplyLora(rank: 2);
        peft.Shake();
        var output = model.call(x);
        peft.SaveAdapter(folder);
        using (var tensors = AdapterCheckpoint.OpenTensors(folder))
            TorchSave.Write(folder["adapter_model.bin"], tensors.Tensors.Keys.ToDictionary(key => key, key => tensors.Read(key)));
        File.Delete(folder[AdapterCheckpoint.FileName]);

        peft.Shake();
        peft.LoadAdapter(folder, "older", trainable: true).Activate("older");   // what learns is multiplied by a kernel of its own: bit for bit only alike
        model.call(x).Difference(output).ShouldBe(0);
        peft.HotSwap(PeftModel.DefaultName, folder);
        peft.Activate(PeftModel.DefaultName);
        model.call(x).Difference(output).ShouldBe(0);
    }
}
