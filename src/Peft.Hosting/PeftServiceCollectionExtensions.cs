using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Peft;
using Peft.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers a model with its adapters.</summary>
public static class PeftServiceCollectionExtensions
{
    /// <summary>
    /// Serves the model of the configuration section <c>Peft</c>: <see cref="ServedModel"/>, <see cref="AdapterManager"/>, <see cref="TextCompleter"/>, an <see cref="IChatClient"/> and an
    /// <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/>, also keyed by the name of an adapter or of the base model, and the health check <c>peft</c>. All is loaded when the host starts.
    /// </summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="configure">Changes the options that were read from the configuration.</param>
    /// <returns>The services.</returns>
    /// <exception cref="OptionsValidationException">The options are invalid (when the host starts).</exception>
    public static IServiceCollection AddPeft(this IServiceCollection services, Action<PeftOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var options = services.AddOptions<PeftOptions>();
        if (services.All(each => each.ServiceType != typeof(ServedModel))) Add(services, options);
        if (configure is not null) options.Configure(configure);
        return services;
    }

    private static void Add(IServiceCollection services, OptionsBuilder<PeftOptions> options)
    {
        options.BindConfiguration(PeftOptions.Section).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PeftOptions>, PeftOptionsValidator>());
        services.AddSingleton(each => new ServedModel(each.GetRequiredService<IOptions<PeftOptions>>().Value, each.GetService<ILoggerFactory>()));
        services.AddSingleton(each => each.GetRequiredService<ServedModel>().Batcher);
        services.AddSingleton(each => new AdapterManager(each.GetRequiredService<ServedModel>(), each.GetRequiredService<IOptions<PeftOptions>>(), each.GetService<ILoggerFactory>()));
        services.AddSingleton(each => new TextCompleter(each.GetRequiredService<ServedModel>()));
        services.AddSingleton(each => Chat(each, null));
        services.AddKeyedSingleton(KeyedService.AnyKey, (each, key) => Chat(each, Name(key)));
        services.AddSingleton(each => Embeddings(each, null));
        services.AddKeyedSingleton(KeyedService.AnyKey, (each, key) => Embeddings(each, Name(key)));
        services.AddHealthChecks().AddCheck<PeftHealthCheck>("peft");
        services.AddHostedService<PeftStartup>();
    }

    private static IChatClient Chat(IServiceProvider services, string? model)
        => services.GetRequiredService<ServedModel>().ChatClient(model).AsBuilder().UseOpenTelemetry(services.GetService<ILoggerFactory>(), PeftTelemetry.ClientSource).Build(services);

    private static IEmbeddingGenerator<string, Embedding<float>> Embeddings(IServiceProvider services, string? model)
        => services.GetRequiredService<ServedModel>().EmbeddingGenerator(model).AsBuilder().UseOpenTelemetry(services.GetService<ILoggerFactory>(), PeftTelemetry.ClientSource).Build(services);

    private static string Name(object? key) => key as string ?? throw new AdapterNotFoundException($"The key of a client is the name of an adapter or of the base model, but was {key ?? "null"}.");
}
