using Peft.Models;
using Peft.Quantization;
using TorchSharp;

namespace Peft.Cli;

/// <summary>The options that name a model and say how it is loaded.</summary>
internal sealed class ModelFlags
{
    public Option<string> Model { get; } = new("--model", "-m") { Description = "The model: a folder in Hugging Face's format, a GGUF file, or the id of a repository on the hub.", HelpName = "folder|id" };

    public Option<string> Revision { get; } = new("--revision") { Description = "Branch, tag or commit of a model on the hub.", HelpName = "name" };

    public Option<string> Dtype { get; } = new Option<string>("--dtype") { Description = "Dtype of the weights in memory.", DefaultValueFactory = _ => "float32" }.AcceptOnly("float32", "bfloat16", "float16", "float64");

    public Option<string> Device { get; } = new("--device") { Description = "Where the model computes: cpu, cuda, cuda:1.", HelpName = "device", DefaultValueFactory = _ => "cpu" };

    public Option<string> Quantization { get; } = new("--quantization", "-q") { Description = "Quantize the frozen weights while they are loaded: nf4, nf4_double, fp4, fp4_double, llm_int8, blockwise, fp8.", HelpName = "kind" };

    public Option<bool> Offline { get; } = new("--offline") { Description = "Use only what the hub's cache holds." };

    public IEnumerable<Option> All => [Model, Revision, Dtype, Device, Quantization, Offline];

    /// <summary>How to load the model.</summary>
    public LoadOptions Load(ToolContext context)
    {
        TorchRuntime.Require();
        var options = new LoadOptions { Hub = HubFlags.Options(context) with { Offline = context.Get(Offline) ? true : null } };
        foreach (var option in new[] { Dtype, Device, Revision, Quantization })
            if (context.Get(option) is { } value) options = Settings.Apply(options, [KeyValuePair.Create(option.Name[2..], value)], option.Name);
        if (options.Device?.type == DeviceType.CUDA && !torch.cuda.is_available()) throw new ToolException($"--device {context.Get(Device)}: there is no CUDA device that this libtorch ({torch.__version__}) can use. Leave out --device to compute on the processor; `peft doctor` shows what it finds.");
        return options;
    }

    /// <summary>Name of the model.</summary>
    /// <exception cref="ToolException">None was given.</exception>
    public string Name(ToolContext context) => context.Get(Model) ?? throw new ToolException("Which model? Name it by --model: a folder, or an id on the hub.");
}
