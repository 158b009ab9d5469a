using Peft.Checkpoints;
using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Checkpoints : InFolder
{
    [Fact]
    public void Reading_and_writing()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora();
        // snippet: save
        peft.SaveAdapter("out/shakespeare");              // the adapter named "default": out/shakespeare/adapter_model.safetensors
        peft.Add("french", new LoraOptions());
        peft.SaveAdapter("out/shakespeare", "french");    // others: out/shakespeare/french/adapter_model.safetensors
        // end
        File.Exists("out/shakespeare/adapter_model.safetensors").ShouldBeTrue();
        File.Exists("out/shakespeare/french/adapter_model.safetensors").ShouldBeTrue();
        // snippet: inspect
        using var file = SafetensorsFile.Open("out/shakespeare/adapter_model.safetensors");
        TensorEntry first = file.Tensors.Values.First();  // base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight F32 [8, 64]
        using var tensor = file.Read(first.Name);
        // end
        first.ToString().ShouldBe("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight F32 [8, 64]");
    }

    [Fact]
    public void Errors()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        var messages = new List<string>();
        // snippet: errors
        try
        {
            model.ApplyLora(targets: new[] { "q_prj" });
        }
        catch (TargetNotFoundException error)
        {
            messages.Add(error.Message);
        }
        // end
        messages.ShouldHaveSingleItem().ShouldStartWith(   // as the page says
            "No module of CausalLM matches TargetModules [q_prj]. Nearest: q_proj (5 modules), k_proj (5 modules). The modules that can be adapted are:");
        PeftModel.Of(model).ShouldBeNull();
    }
}
