using System.Runtime.CompilerServices;

namespace Peft.Models;

/// <summary>Puts a model into evaluation mode while at least one caller needs it. The last one to be disposed restores the former mode.</summary>
internal sealed class EvaluationMode : IDisposable
{
    private static readonly ConditionalWeakTable<TorchSharp.torch.nn.Module, Users> Models = [];

    private readonly TorchSharp.torch.nn.Module model;
    private readonly Users users;
    private bool disposed;

    public EvaluationMode(TorchSharp.torch.nn.Module model)
    {
        this.model = model;
        users = Models.GetOrCreateValue(model);
        lock (users)
        {
            if (users.Count++ > 0) return;
            users.WasTraining = model.training;
            if (model.training) model.eval();
        }
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        lock (users)
            if (--users.Count == 0 && users.WasTraining) model.train();
    }

    private sealed class Users
    {
        public int Count { get; set; }

        public bool WasTraining { get; set; }
    }
}
