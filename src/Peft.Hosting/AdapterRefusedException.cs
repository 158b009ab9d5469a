namespace Peft.Hosting;

/// <summary>The host does not allow a change of its adapters: the folder is outside of <see cref="PeftOptions.AdapterFolders"/>, or a limit is reached, or the name is taken.</summary>
public sealed class AdapterRefusedException(string message) : PeftException(message);
