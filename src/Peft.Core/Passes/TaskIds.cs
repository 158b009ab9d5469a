using static TorchSharp.torch;

namespace Peft;

/// <summary>The tasks of a batch's rows, for adapters that several tasks share.</summary>
public static class TaskIds
{
    /// <summary>Returns the task ids on a device, <c>[rows]</c> or <c>[1]</c> for all rows.</summary>
    /// <param name="given">The ids that <see cref="PeftModel.Tasks"/> selected; null for none, which suffices for an adapter with a single task.</param>
    /// <param name="count">Number of the adapter's tasks.</param>
    /// <param name="device">The device.</param>
    /// <exception cref="PeftException">No task is selected, or the adapter does not have the task.</exception>
    public static Tensor Require(Tensor? given, int count, Device device)
    {
        if (given is null)
            return count == 1 ? zeros(1, ScalarType.Int64, device)
                : throw new PeftException($"An adapter with {count} tasks requires the task of each row: call the model within `using (peft.Tasks(…))`, or add task_ids to the batches.");
        TensorRules.RequireRank(given, nameof(given), "[rows]");
        TensorRules.RequireWhole(given, nameof(given));
        if (given.size(0) == 0) throw new ArgumentException("There are no task ids: pass one for each row, or one for all rows.", nameof(given));
        if (TensorRules.Outside(given, count) is { } odd) throw new PeftException($"Task {odd} was selected, but the adapter has {count} tasks, numbered from 0.");
        return given.to(ScalarType.Int64, device);
    }
}
