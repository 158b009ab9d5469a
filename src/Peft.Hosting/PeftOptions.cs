using Peft.Models;

namespace Peft.Hosting;

/// <summary>What a host serves, from the configuration section <see cref="Section"/> or code. It is validated when the host starts.</summary>
public sealed class PeftOptions
{
    /// <summary>The configuration section, <c>Peft</c>.</summary>
    public const string Section = "Peft";

    /// <summary>The base model: a folder in Hugging Face's layout, or the id of a model of the hub if <see cref="DownloadFromHub"/> allows it.</summary>
    public string Model { get; set; } = "";

    /// <summary>Allows a model that is not a local folder to be downloaded when the host starts. False by default.</summary>
    public bool DownloadFromHub { get; set; }

    /// <summary>A file with the chat template, in Jinja; null for the one of the model's folder.</summary>
    public string? ChatTemplateFile { get; set; }

    /// <summary>How the model is loaded: <c>Load:Dtype</c>, <c>Load:Quantization</c> by name such as <c>nf4</c>, <c>Load:Revision</c>.</summary>
    public LoadOptions Load { get; set; } = new();

    /// <summary>The device, such as <c>cpu</c> or <c>cuda:0</c>; null for that of <see cref="Load"/>.</summary>
    public string? Device { get; set; }

    /// <summary>Number of threads of a CPU computation; null for all cores. Containers should set it to their limit.</summary>
    public int? Threads { get; set; }

    /// <summary>The adapters that are loaded when the host starts: their folders by their names.</summary>
    public IDictionary<string, string> Adapters { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The adapter of requests that name none; null for the base model.</summary>
    public string? DefaultAdapter { get; set; }

    /// <summary>Folders below which <see cref="AdapterManager"/> may load adapters while the host runs; none by default. Whoever may write to them decides what is loaded.</summary>
    public IList<string> AdapterFolders { get; } = [];

    /// <summary>Maximum number of adapters in memory.</summary>
    public int MaxAdapters { get; set; } = 64;

    /// <summary>Limits of the continuous batching.</summary>
    public ContinuousBatchingOptions Batching { get; set; } = new();

    /// <summary>Generation options for requests that do not set them; 256 new tokens by default.</summary>
    public GenerationOptions Generation { get; set; } = new() { MaxNewTokens = 256 };
}
