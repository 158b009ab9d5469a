namespace Peft.Models;

/// <summary>The model to save has adapters, which saving would lose.</summary>
public sealed class AdaptersAttachedException : PeftException
{
    internal AdaptersAttachedException(PeftModel peft) : base(
        $"This {peft.Module.GetType().Name} has adapters ({string.Join(", ", peft.Adapters.Keys)}), which SavePretrained does not save. "
        + "Call MergeAndUnload() first to save them as part of the weights, Unload() to save the model without them, or SaveAdapter(folder) to save only the adapters.")
    {
    }
}
