namespace Peft;

// The head of a model and what its adapters were trained for.
public sealed partial class PeftModel
{
    private Action? unfit;

    /// <summary>What the adapters in effect were trained for: the first of them that says so, or else what the model itself is for; null if nothing is known.</summary>
    public TaskDescription? Task => TaskOf(Current(state => state.Adapters));

    private TaskDescription? TaskOf(IEnumerable<Adapter> adapters) => adapters.Select(adapter => adapter.Options.Task).FirstOrDefault(task => task is not null) ?? (Module as ITaskModel)?.Task;

    /// <summary>Makes the head fit an adapter that is to be added, until the model has no adapter any more.</summary>
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

    // A head that was made anew knows nothing: the adapter must bring its own.
    private void RequireTaskHead(string name, AdapterPlan plan)
    {
        if (unfit is null || Module is not ITaskModel { TaskHead: { } head } || plan.Layers.Any(layer => layer.Target.Module == head)) return;
        throw new AdapterMismatchException($"Adapter '{name}' was trained for a head that this {Module.GetType().Name} has not, and does not hold one: load the base model that it was trained on.");
    }

    private void RestoreTask()
    {
        if (unfit is null) return;
        unfit();
        unfit = null;
        Tree = new ModelTree(Module, Tree.Learning);
    }

    // What is merged for good stays.
    private void AdoptTask()
    {
        unfit = null;
        if (TaskOf(active.Select(Find)) is { } task) (Module as ITaskModel)?.Adopt(task);
    }
}
