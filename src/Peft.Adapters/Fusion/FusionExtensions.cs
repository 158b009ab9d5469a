namespace Peft;

/// <summary>Extension methods that fuse bottleneck adapters with AdapterFusion.</summary>
public static class FusionExtensions
{
    /// <summary>
    /// Adds a fusion of bottleneck adapters and activates it in their place: training then changes only the fusion.
    /// </summary>
    /// <param name="model">The model that has the adapters.</param>
    /// <param name="name">Name of the fusion.</param>
    /// <param name="adapters">Names of the adapters, in order.</param>
    /// <returns>The model.</returns>
    /// <exception cref="AdapterNotFoundException">An adapter does not exist.</exception>
    /// <exception cref="AdapterOptionsException">An adapter is not a bottleneck adapter.</exception>
    public static PeftModel AddFusion(this PeftModel model, string name, params string[] adapters)
        => model.AddFusion(name, new FusionOptions { Adapters = adapters });

    /// <summary>Adds a fusion of bottleneck adapters and activates it in their place: training then changes only the fusion.</summary>
    /// <param name="model">The model that has the adapters.</param>
    /// <param name="name">Name of the fusion.</param>
    /// <param name="options">The options, including the names of the adapters.</param>
    /// <returns>The model.</returns>
    /// <exception cref="AdapterNotFoundException">An adapter does not exist.</exception>
    /// <exception cref="AdapterOptionsException">The options are invalid, or an adapter is not a bottleneck adapter.</exception>
    public static PeftModel AddFusion(this PeftModel model, string name, FusionOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.Add(name, options);
        model.Activate(name);
        return model;
    }
}
