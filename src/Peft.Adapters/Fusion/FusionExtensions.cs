namespace Peft;

/// <summary>AdapterFusion of a model's bottleneck adapters.</summary>
public static class FusionExtensions
{
    /// <summary>
    /// Adds a fusion of bottleneck adapters and makes it active instead of them: training then changes the fusion alone.
    /// </summary>
    /// <param name="model">The model, with the adapters.</param>
    /// <param name="name">Name of the fusion.</param>
    /// <param name="adapters">Names of the adapters, in order.</param>
    /// <returns>The model.</returns>
    /// <exception cref="AdapterNotFoundException">There is no adapter of a name.</exception>
    /// <exception cref="AdapterOptionsException">An adapter is of another method.</exception>
    public static PeftModel AddFusion(this PeftModel model, string name, params string[] adapters)
        => model.AddFusion(name, new FusionOptions { Adapters = adapters });

    /// <summary>Adds a fusion of bottleneck adapters and makes it active instead of them: training then changes the fusion alone.</summary>
    /// <param name="model">The model, with the adapters.</param>
    /// <param name="name">Name of the fusion.</param>
    /// <param name="options">All options, with the names of the adapters.</param>
    /// <returns>The model.</returns>
    /// <exception cref="AdapterNotFoundException">There is no adapter of a name.</exception>
    /// <exception cref="AdapterOptionsException">The options make no sense, or an adapter is of another method.</exception>
    public static PeftModel AddFusion(this PeftModel model, string name, FusionOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.Add(name, options);
        model.Activate(name);
        return model;
    }
}
