using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

using Adapters = Microsoft.ML.OnnxRuntimeGenAI.Adapters;
using Generator = Microsoft.ML.OnnxRuntimeGenAI.Generator;
using GeneratorParams = Microsoft.ML.OnnxRuntimeGenAI.GeneratorParams;
using Model = Microsoft.ML.OnnxRuntimeGenAI.Model;

public class ExportGenAI : InFolder
{
    [Fact]
    public void A_model_generates_in_onnx_runtime_genai()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 8);
        // snippet: export-genai
        peft.SaveOnnxGenAI("out/genai", tokenizer);

        using var runtime = new Model("out/genai");
        using var adapters = new Adapters(runtime);
        adapters.LoadAdapter("out/genai/default.onnx_adapter", "default");
        using var parameters = new GeneratorParams(runtime);
        parameters.SetSearchOption("max_length", 40);
        using var generator = new Generator(runtime, parameters);
        generator.SetActiveAdapter(adapters, "default");
        generator.AppendTokens([1, 403, 407, 261, 378]);
        while (!generator.IsDone()) generator.GenerateNextToken();
        var tokens = generator.GetSequence(0).ToArray();
        // end
        tokens[5..].ShouldBe(model.Generate([1, 403, 407, 261, 378], new() { MaxNewTokens = 35, DoSample = false }));
    }
}
