namespace Peft;

// Task heads: the model's head, and the task for which its adapters were trained.
public sealed partial class PeftModel
{
    private Action? unfit;

    /// <summary>The task of the adapters in effect: that of the first adapter with a task, or else that of the model; null if unknown.</summary>
    public TaskDescription? Task => TaskOf(Current(state => state.Adapters));

    private TaskDescription? TaskOf(IEnumerable<Adapter> adapters) => adapters.Select(adapter => adapter.Options.Task).FirstOrDefault(task => task is not null) ?? (Module as ITaskModel)?.Task;

    /// <summary>Replaces the head by one that fits the adapter to be added, until the last adapter is removed.</summary>
    private void FitTask(string name, AdapterOptions options)
    {
        if (options.Task is null || Module is not ITaskModel model || model.Fit(options.Task, name, adapters.Count == 0) is not { } fit) return;
        gate.Change(nameof(Add), () =>
        {
            var (undo, before) = (fit(), unfit);
            unfit = before is null ? undo : undo + before;
            Tree = new ModelTree(Module, Tree.Learning);
        });
    }

    // A new head is untrained, so the adapter must contain one.
    private void RequireTaskHead(string name, AdapterPlan plan)
    {
        if (unfit is null || Module is not ITaskModel { TaskHead: { } head } || plan.Layers.Any(layer => layer.Target.Module == head)) return;
        throw new AdapterMismatchException($"Adapter '{name}' was trained for a head that this {Module.GetType().Name} does not have, and does not contain one: load the base model on which it was trained.");
    }

    private void RestoreTask()
    {
        if (unfit is null) return;
        unfit();
        unfit = null;
        Tree = new ModelTree(Module, Tree.Learning);
    }

    // A permanently merged head stays.
    private void AdoptTask()
    {
        unfit = null;
        if (TaskOf(active.Select(Find)) is { } task) (Module as ITaskModel)?.Adopt(task);
    }
}
