using System.Collections;
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

    private static readonly string[] HookFields = ["pre_hooks", "post_hooks", "module_pre_hooks", "module_post_hooks"];

    /// <summary>The collections of a module's hooks, which stay the same.</summary>
    public static IEnumerable<ICollection> Hooks(nn.Module module) => HookFields.Select(field => HooksOf(module, field));

    private static ICollection HooksOf(nn.Module module, string name)
    {
        for (var type = module.GetType(); type is not null; type = type.BaseType)
            if (type.GetField(name, BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.DeclaredOnly)?.GetValue(module) is ICollection hooks) return hooks;
        throw Missing($"HookableModule.{name}");
    }

    private static PeftException Missing(string field) => new($"This version of TorchSharp has no field {field}: use the version with which Peft was built.");

    private static FieldInfo Field(string name)
        => typeof(nn.Module).GetField(name, BindingFlags.NonPublic | BindingFlags.Instance)
           ?? throw Missing($"nn.Module.{name}");
}
