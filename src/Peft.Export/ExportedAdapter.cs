using Peft.Models;

namespace Peft.Export;

/// <summary>What an export of an adapter starts from.</summary>
internal static class ExportedAdapter
{
    /// <summary>The model as a pretrained one.</summary>
    /// <exception cref="ExportException">It is another module, whose architecture is unknown; or adapters are merged into it, and would be applied twice.</exception>
    public static PretrainedModel Model(PeftModel peft)
        => peft.IsMerged ? throw new ExportException("The adapters are merged into the model, and would be applied twice: call Unmerge() before, or MergeAndUnload() and export the model. Nothing was written.")
            : peft.Module as PretrainedModel ?? throw new ExportException($"A {peft.Module.GetType().Name} cannot be exported: its architecture is unknown. Pretrained models can be (CausalLM.FromPretrained).");

    /// <summary>The adapter of a name, or the only active one.</summary>
    /// <exception cref="ExportException">No name is given, and not exactly one adapter is active.</exception>
    /// <exception cref="AdapterNotFoundException">There is no such adapter.</exception>
    public static Adapter Find(PeftModel peft, string? name)
    {
        if (name is null && peft.Active is not [_])
            throw new ExportException($"{(peft.Active.Count == 0 ? "No adapter is" : $"{peft.Active.Count} adapters are")} active: name the one to export ({string.Join(", ", peft.Adapters.Keys)}).");
        return peft.Find(name ?? peft.Active[0]);
    }
}
