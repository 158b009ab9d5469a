using static TorchSharp.torch;

namespace Peft.Core.Tests.Saving;

public sealed class OlderFormatTests : UserModelTests
{
    [Fact]
    public void An_adapter_of_PyTorchs_older_format_is_loaded_and_swapped_in_alike()
    {
        using var folder = new TemporaryFolder();
        using var peft = Model.ApplyLora(rank: 2);
        peft.Shake();
        var output = Model.call(Input);
        peft.SaveAdapter(folder);
        using (var tensors = AdapterCheckpoint.OpenTensors(folder))
            TorchSave.Write(folder["adapter_model.bin"], tensors.Tensors.Keys.ToDictionary(key => key, key => tensors.Read(key)));
        File.Delete(folder[AdapterCheckpoint.FileName]);

        peft.Shake();
        peft.LoadAdapter(folder, "older", trainable: true).Activate("older");   // what learns is multiplied by a kernel of its own: bit for bit only alike
        Model.call(Input).Difference(output).ShouldBe(0);
        peft.HotSwap(PeftModel.DefaultName, folder);
        peft.Activate(PeftModel.DefaultName);
        Model.call(Input).Difference(output).ShouldBe(0);
    }
}
