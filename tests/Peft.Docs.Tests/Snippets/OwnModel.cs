using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

public class OwnModel : InFolder
{
    [Fact]
    public void Adapters_of_a_model_of_ones_own_are_saved_loaded_and_switched()
    {
        using var inputs = randn(32, 16);
        // snippet: own-saving
        using var model = new Classifier();
        model.save("base.dat");                                                // TorchSharp's own format
        using (var peft = model.ApplyLora(rank: 4, targets: "all-linear"))
            peft.SaveAdapter("out/first");                                     // adapter_config.json and adapter_model.safetensors, as Hugging Face PEFT has them

        using var served = new Classifier();
        served.load("base.dat");
        using var adapters = served.ApplyAdapter("out/first", "first");
        adapters.Add("second", new OftOptions { BlockSize = 4, TargetModules = ModuleSelector.AllLinear });
        adapters.Activate("second");                                           // or several: Activate("first", "second")
        using (adapters.WithoutAdapters()) served.call(inputs);                // the base model
        adapters.Delete("second");
        adapters.MergeAndUnload();                                             // a plain model, of the same class
        // end
        // The adapters are not trained, so they change nothing.
        served.call(inputs).sub(model.call(inputs)).abs().max().item<float>().ShouldBeLessThan(1e-6f);
        served.named_parameters().ShouldAllBe(each => !each.name.Contains("lora"));
    }
}
