using System.Reflection;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>TorchSharp's internal registries of a module, whose public methods can add entries but not replace them.</summary>
internal static class ModuleInternals
{
    private static readonly FieldInfo ParametersField = Field("_internal_params");
    private static readonly FieldInfo SubmodulesField = Field("_internal_submodules");

    public static OrderedDict<string, Parameter> Parameters(nn.Module module)
        => (OrderedDict<string, Parameter>)ParametersField.GetValue(module)!;

    public static OrderedDict<string, nn.Module> Submodules(nn.Module module)
        => (OrderedDict<string, nn.Module>)SubmodulesField.GetValue(module)!;

    private static FieldInfo Field(string name)
        => typeof(nn.Module).GetField(name, BindingFlags.NonPublic | BindingFlags.Instance)
           ?? throw new PeftException($"This version of TorchSharp has no field nn.Module.{name}: use the version with which Peft was built.");
}
