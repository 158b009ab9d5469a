using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Peft.Hosting;

/// <summary>Loads the model and creates its clients before the host accepts requests, so that errors fail the start and not the first request.</summary>
internal sealed class PeftStartup(IServiceProvider services) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) => Task.Run(() =>
    {
        var served = services.GetRequiredService<ServedModel>();
        services.GetRequiredService<IChatClient>();
        services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        foreach (var name in served.Peft.Adapters.Keys.Append(served.Name))
        {
            services.GetRequiredKeyedService<IChatClient>(name);
            services.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>(name);
        }
    }, cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
